"""Downloads the files of one model at one commit into the cache.

Resolves, checks the room, transfers up to three at a time, verifies, and only then lets a file
appear under its name. What is here already is not asked for again.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import are_symlinks_supported

from wiz_kernel_ext.children.lines import Noted, Ticked
from wiz_kernel_ext.errors import DiskFull, DownloadFailed, HubUnreachable
from wiz_kernel_ext.hub.fetch.api import checksums_at
from wiz_kernel_ext.hub.fetch.bounds import in_time
from wiz_kernel_ext.hub.fetch.cache import RepoCache, is_commit, is_etag
from wiz_kernel_ext.hub.fetch.failures import ENDPOINT, Subject, explain
from wiz_kernel_ext.hub.fetch.retrying import ASKING_PATIENCE_S, Say, asked
from wiz_kernel_ext.hub.fetch.tasks import Download
from wiz_kernel_ext.hub.fetch.throttle import Throttle
from wiz_kernel_ext.hub.fetch.transfer import Remote, Transfer
from wiz_kernel_ext.models.names import make_name
from wiz_kernel_ext.sizes import size

_AT_ONCE = 3
_TICK_S = 0.1
_SPARE_BYTES = 32 << 20


def download(task: Download, say: Say) -> str:
    """Carry out `task`; the path of the first file. Raises WizError."""
    return _Job(task, say).run()


class _Job:
    def __init__(self, task: Download, say: Say) -> None:
        for file in task.files:
            make_name(task.repo, file, task.revision)
        self._task = task
        self._say = say
        self._cache = RepoCache(task.repo)
        self._throttle = Throttle(task.limit_bytes_per_s)
        self._lock = threading.Lock()
        self._done = 0
        self._total: int | None = None

    def run(self) -> str:
        task = self._task
        subject = self._subject(task.files[0])
        if is_commit(task.revision) and (paths := self._cache.find(task.files, task.revision)):
            return str(paths[0])
        try:
            commit, remotes = self._resolve()
            self._say_total(remotes)
            self._check_room(remotes)
            # Not waited for where one fails: the process ends with what it then says.
            pool = ThreadPoolExecutor(_AT_ONCE)
            self._watch([pool.submit(self._bring, commit, remote) for remote in remotes])
            self._move_ref(commit)
        except HubUnreachable:
            if paths := self._cache.find(task.files, task.revision):
                if not constants.HF_HUB_OFFLINE:
                    self._say(Noted("The hub cannot be reached: this is what was fetched before."))
                return str(paths[0])
            raise
        except OSError as error:
            raise explain(error, subject) from None
        return str(self._cache.snapshot(commit) / task.files[0])

    def _subject(self, file: str) -> Subject:
        return Subject(self._task.repo, file, self._task.revision)

    def _resolve(self) -> tuple[str, list[Remote]]:
        """The commit that the revision is at now, and every file at that commit."""
        commit, remotes = self._task.revision or "main", []
        # What is here already is not worth a wait for a hub that does not answer.
        here = self._cache.find(self._task.files, self._task.revision)
        patience_s = 0.0 if here else min(ASKING_PATIENCE_S, self._task.patience_s)
        for file in self._task.files:
            subject = self._subject(file)
            address = hf_hub_url(self._task.repo, file, revision=commit)
            facts = asked(partial(get_hf_file_metadata, address), subject, self._say, patience_s)
            etag, found, size_bytes = facts.etag, facts.commit_hash, facts.size
            if (
                etag is None
                or found is None
                or size_bytes is None
                or size_bytes < 0
                or not (is_etag(etag) and is_commit(found))
            ):
                raise DownloadFailed(
                    f"{ENDPOINT} answered, but not as a hub does, for {subject}.",
                    hint="Is HF_ENDPOINT a hub's address, and no login page between?",
                )
            commit = found
            url = hf_hub_url(self._task.repo, file, revision=commit)
            remotes.append(Remote(subject=subject, url=url, etag=etag, size_bytes=size_bytes))
        return commit, remotes

    def _say_total(self, remotes: list[Remote]) -> None:
        self._total = sum(remote.size_bytes for remote in remotes)
        self._say(Ticked(0, self._total))

    def _check_room(self, remotes: list[Remote]) -> None:
        missing = 0
        for remote in remotes:
            if not self._cache.blob(remote.etag).exists():
                growing = self._cache.partial(remote.etag)
                missing += remote.size_bytes - (growing.stat().st_size if growing.exists() else 0)
        place = self._cache.folder
        while not place.is_dir():
            place = place.parent
        free = shutil.disk_usage(place).free
        if missing > 0 and missing + _SPARE_BYTES > free:
            raise DiskFull(
                f"There is no room for {remotes[0].subject}: {size(missing)} are still to come, "
                f"{size(free)} are free in {self._cache.root}, and {size(_SPARE_BYTES)} are left "
                "to others.",
                needed_bytes=missing,
                free_bytes=free,
                repo=self._task.repo,
                file=self._task.files[0],
            )

    def _bring(self, commit: str, remote: Remote) -> None:
        """Let one file appear in the snapshot."""
        file = remote.subject.file
        pointer = self._cache.snapshot(commit) / file
        blob, growing = self._cache.blob(remote.etag), self._cache.partial(remote.etag)
        counted = 0

        def count(n: int) -> None:
            nonlocal counted
            counted += n
            with self._lock:
                self._done += n

        def follow(wait_s: float) -> None:
            # Another process fetches it: its partial file says how far it is.
            time.sleep(wait_s)
            count((growing.stat().st_size if growing.exists() else 0) - counted)

        if not pointer.exists():
            blob.parent.mkdir(parents=True, exist_ok=True)
            with self._cache.locked(remote.etag, follow):
                count(-counted)
                if not blob.exists():
                    Transfer(
                        remote,
                        growing,
                        patience_s=self._task.patience_s,
                        throttle=self._throttle,
                        on_bytes=count,
                        on_notice=lambda text: self._say(Noted(text)),
                    ).run()
                    self._place(growing, blob, pointer)
            if not pointer.exists():
                self._link(commit, remote.subject, remote.etag)
        count(remote.size_bytes - counted)

    def _place(self, growing: Path, blob: Path, pointer: Path) -> None:
        if are_symlinks_supported(self._cache.root):
            growing.replace(blob)
        else:
            # Without links a blob would be copied: the file itself goes where the link would be.
            pointer.parent.mkdir(parents=True, exist_ok=True)
            growing.replace(pointer)

    def _link(self, commit: str, subject: Subject, etag: str) -> None:
        """Let huggingface_hub link the blob, which it finds in place."""
        link = partial(hf_hub_download, self._task.repo, subject.file, revision=commit)
        asked(link, subject, self._say, n_bytes=self._cache.blob(etag).stat().st_size)

    def _move_ref(self, commit: str) -> None:
        revision = self._task.revision or "main"
        if is_commit(revision):
            return

        def upstream() -> Mapping[str, str]:
            with in_time(self._say):
                return checksums_at(self._task.repo, commit)

        try:
            self._cache.move_ref(revision, commit, upstream)
        except Exception as error:  # the file is there: a ref that stays behind is no failure
            self._say(Noted(f"refs/{revision} was not updated ({type(error).__name__})."))

    def _watch(self, jobs: list[Future[None]]) -> None:
        """Say how far it is until all are done or one has failed."""
        said = -1
        while True:
            finished, pending = wait(jobs, _TICK_S, FIRST_EXCEPTION)
            with self._lock:
                done = self._done
            if done != said:
                self._say(Ticked(done, self._total))
                said = done
            for job in finished:
                job.result()
            if not pending:
                return
