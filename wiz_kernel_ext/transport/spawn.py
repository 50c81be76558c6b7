"""Starting a process that outlives the notebook kernel which started it.

A kernel's restart signals its process group, and some front ends signal the whole tree of its
descendants. So the process is started by a launcher that ends at once (it is nobody's descendant
any more), in a session of its own, without the variables that tie a process to its kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from wiz_kernel_ext.errors import ServiceStartFailed
from wiz_kernel_ext.surroundings import without_secrets

_KERNEL_VARIABLES = ("JPY_", "IPY_", "MPLBACKEND")
_LAUNCH_TIMEOUT_S = 20.0

# No os.fork anywhere: it is unsafe next to threads, and shares locks.
_LAUNCHER = """
import json, os, subprocess, sys
job = json.load(sys.stdin)
log = os.open(job["log_file"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
child = subprocess.Popen(
    job["argv"], env=job["env"], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
    close_fds=True, start_new_session=True,
)
print(child.pid, flush=True)
os._exit(0)
"""


def detached_environment(env: Mapping[str, str]) -> dict[str, str]:
    """`env` without what ties a process to a notebook kernel, and without tokens."""
    kept = without_secrets(env)
    return {name: value for name, value in kept.items() if not name.startswith(_KERNEL_VARIABLES)}


def spawn_detached(argv: Sequence[str], log_file: Path, env: Mapping[str, str]) -> int:
    """Start `argv` for itself and return its process id; its output goes to `log_file`.

    Its working directory is "/". Raises ServiceStartFailed if it could not be started.
    """
    job = {"argv": list(argv), "log_file": os.fspath(log_file), "env": detached_environment(env)}
    try:
        launcher = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            cwd="/",
            env=without_secrets(os.environ),
            timeout=_LAUNCH_TIMEOUT_S,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceStartFailed(f"{argv[0]} could not be started: {error}.") from error
    if launcher.returncode != 0:
        reason = launcher.stderr.strip().rpartition("\n")[2]
        raise ServiceStartFailed(
            f"{argv[0]} could not be started: {reason}.", log=launcher.stderr[-4000:]
        )
    return int(launcher.stdout)
