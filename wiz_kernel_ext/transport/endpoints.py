"""Where a service is found: its places in the file system, and its connection file.

The file holds the key that lets a process in, so only its owner can read it, and one that another
user could have written is not believed. Names carry the service's and the host's name, since a
home directory may be shared by many hosts. Read by clients, written by the service.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import socket
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import zmq
from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir

from wiz_kernel_ext.errors import ServiceError
from wiz_kernel_ext.folders import changed_at, entries, is_file
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.owned_file import make_private, read_owned, write_owned

# sun_path is 104 bytes on macOS and 108 on Linux, with its final NUL.
MAX_SOCKET_PATH_BYTES = 100
# About what a service writes as it starts: its database, its log.
_ROOM_BYTES = 512 * 1024


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a service; `server_key` is its public CURVE key, `started_at` epoch seconds.

    `executable` is the interpreter it runs in, and `has_engine` whether there is an engine there;
    `is_full` that it lets nobody else in, having too few descriptors left.
    """

    endpoint: str
    server_key: str
    pid: int
    version: str
    protocol: int
    name: str = ""
    host: str = ""
    started_at: float = 0.0
    log_file: str = ""
    executable: str = ""
    has_engine: bool = True
    is_full: bool = False


@dataclass(frozen=True, kw_only=True)
class Places:
    """Every path of one service. Nothing is created by asking for them."""

    name: str
    host: str
    runtime_dir: Path
    connection_file: Path
    alive_file: Path
    start_lock_file: Path
    socket_dir: Path
    data_dir: Path
    log_file: Path
    worker_logs: Path
    database_file: Path
    database_lock_file: Path
    environment_file: Path
    engines_file: Path
    snapshots_dir: Path
    models_dir: Path

    def create(self) -> None:
        """Make the directories that are missing, owner-only; raises ServiceError if it cannot."""
        try:
            for directory in (self.runtime_dir, self.socket_dir, self.data_dir):
                make_private(directory)
            self.socket_dir.chmod(0o700)
            self.log_file.touch(mode=0o600)
        except OSError as error:
            raise _refused(Path(error.filename or self.data_dir), error) from error

    def check_owners(self) -> None:
        """Whether nobody else can have written here; raises ServiceError that names what is not so.

        What belongs to another user is neither read nor waited for.
        """
        for directory in (self.runtime_dir, self.socket_dir, self.data_dir):
            mode = _mode(directory)
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise ServiceError(
                    f"Anybody may write in {directory}, so what is there is not believed.",
                    hint=f"`chmod go-w {directory}`, or point WIZ_RUNTIME_DIR and WIZ_DATA_DIR at "
                    "directories of yours.",
                    path=str(directory),
                )
        for file in (
            *(self.connection_file, self.alive_file, self.start_lock_file, self.socket_dir),
            *(self.database_file, self.database_lock_file, self.environment_file, self.log_file),
        ):
            owner = _owner(file)
            if owner not in (None, os.getuid()):
                raise ServiceError(
                    f"{file} belongs to another user (uid {owner}): it is not used.",
                    hint="Have it removed, or point WIZ_RUNTIME_DIR and WIZ_DATA_DIR at "
                    "directories of yours.",
                    path=str(file),
                )

    def check_room(self) -> None:
        """Whether a service can begin to write here; raises ServiceError that names the disk."""
        for directory in (self.runtime_dir, self.data_dir):
            probe = directory / f".room-{os.getpid()}"
            try:
                probe.write_bytes(bytes(_ROOM_BYTES))
            except OSError as error:
                raise _refused(directory, error) from error
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink(missing_ok=True)

    def worker_log(self, number: str) -> Path:
        """The log of a worker of this service."""
        return self.worker_logs / f"worker-{self.log_file.stem}-{number}.log"

    def logs_of_workers(self) -> list[Path]:
        """The logs there are of this service's workers, the latest last."""
        name = self.worker_log("*").name
        logs = [path for path in entries(self.worker_logs) if fnmatchcase(path.name, name)]
        return sorted(filter(is_file, logs), key=changed_at)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _owner(path: Path) -> int | None:
    """Whose it is, a link itself and not what it leads to; None if there is none."""
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _refused(path: Path, error: OSError) -> ServiceError:
    """Why nothing can be written at `path`, and what to do: about its disk, or with another."""
    instead = "point WIZ_RUNTIME_DIR and WIZ_DATA_DIR at directories of yours"
    disk = path.absolute()
    while not disk.is_mount() and disk != disk.parent:
        disk = disk.parent
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        where = f" (the disk {disk})" if error.errno == errno.EROFS else ""
        return ServiceError(
            f"{path} cannot be made or written{where}: {error.strerror}.",
            hint=f"{instead[0].upper()}{instead[1:]}.",
        )
    free = ""
    with contextlib.suppress(OSError):
        left = os.statvfs(path if path.exists() else disk)
        free = f", {left.f_bavail * left.f_frsize // 2**20} MB are free"
    quota = "your quota of it" if error.errno == errno.EDQUOT else "it"
    return ServiceError(
        f"There is no room to start the service: {path} is on the disk {disk}, and {quota} is full"
        f"{free}.",
        hint=f"Delete what is not needed there (`du -xh {disk} | sort -h | tail` tells what is "
        f"large), or {instead}.",
        path=str(path),
    )


def places(settings: Settings) -> Places:
    """The places that `settings` mean on this host."""
    # Without the domain: that of a laptop changes with the network it is in.
    host = socket.gethostname().partition(".")[0]
    runtime_dir = settings.runtime_dir or Path(jupyter_runtime_dir())
    data_dir = settings.data_dir or Path(jupyter_data_dir()) / "wiz"
    slug = f"{_file_name(settings.name)}-{_file_name(host)}"
    digest = hashlib.sha256(f"{settings.name}\0{host}".encode()).hexdigest()[:8]
    return Places(
        name=settings.name,
        host=host,
        runtime_dir=runtime_dir.absolute(),
        connection_file=runtime_dir.absolute() / f"wiz-{slug}.json",
        alive_file=runtime_dir.absolute() / f"wiz-{slug}.alive",
        start_lock_file=runtime_dir.absolute() / f"wiz-{slug}.lock",
        # Short, because the path of a socket has to be.
        socket_dir=runtime_dir.absolute() / f"wiz-{digest}",
        data_dir=data_dir.absolute(),
        log_file=data_dir.absolute() / f"{slug}.log",
        worker_logs=data_dir.absolute() / "logs",
        database_file=data_dir.absolute() / f"{slug}.sqlite",
        database_lock_file=data_dir.absolute() / f"{slug}.lock",
        environment_file=data_dir.absolute() / f"{slug}.environment.json",
        engines_file=data_dir.absolute() / f"{slug}.engines.json",
        # The same for all hosts: a conversation that came from another one's database is known by
        # the same id.
        snapshots_dir=data_dir.absolute() / "snapshots",
        models_dir=(settings.models_dir or data_dir / "models").absolute(),
    )


def _file_name(name: str) -> str:
    """`name` as part of a file name: unlike names stay unlike."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:40]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def write_connection(path: Path, info: ConnectionInfo) -> None:
    """Write the connection file, readable by its owner only. Raises ServiceError."""
    write_owned(path, info)


def read_connection(path: Path) -> ConnectionInfo | None:
    """What the connection file says; None if it is absent, unreadable or somebody else's."""
    return read_owned(path, ConnectionInfo)


def choose_endpoint(socket_dir: Path) -> str:
    """A new ipc endpoint in `socket_dir`, or any tcp port of this host where that cannot be."""
    path = socket_dir / f"{secrets.token_hex(4)}.sock"
    if zmq.has("ipc") and len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return f"ipc://{path}"
    return "tcp://127.0.0.1:*"


def remove_stale(where: Places) -> None:
    """Remove what a service that was killed left behind.

    Only under the start lock and with no service alive: so a connection file that can be read
    always is the running service's.
    """
    where.connection_file.unlink(missing_ok=True)
    for path in entries(where.socket_dir):
        if path.suffix == ".sock" and not _has_listener(path):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def remove_socket(endpoint: str) -> None:
    """Remove the socket file of a process that is gone and did not close its link."""
    if endpoint.startswith("ipc://"):
        Path(endpoint.removeprefix("ipc://")).unlink(missing_ok=True)


def _has_listener(path: Path) -> bool:
    # A worker whose service was just killed may still listen for a moment: ask the socket itself.
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
