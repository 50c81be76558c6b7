"""The conversations of the time when each Python environment had a service of its own.

The first service for all of them begins with a copy of the database that was used last; the former
files stay as they are.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from fnmatch import fnmatchcase
from pathlib import Path

from wiz_kernel_ext.folders import changed_at, entries, is_file

_PREFIX = "main-"
_FORMER_PREFIX = "env-????????-"

log = logging.getLogger(__name__)


def begin_with_former(file: Path) -> Path | None:
    """Where there is no `file`, make it of the latest former one of this host; says of which."""
    if file.exists() or not file.name.startswith(_PREFIX):
        return None
    pattern = _FORMER_PREFIX + file.name.removeprefix(_PREFIX)
    former = [path for path in entries(file.parent) if fnmatchcase(path.name, pattern)]
    for candidate in sorted(filter(is_file, former), key=changed_at, reverse=True):
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL, 0o600))
            with (
                contextlib.closing(sqlite3.connect(candidate)) as source,
                contextlib.closing(sqlite3.connect(temporary)) as target,
            ):
                source.backup(target)
            temporary.replace(file)
        except (OSError, sqlite3.Error) as error:
            log.warning("%s cannot be taken over: %s", candidate, error)
            temporary.unlink(missing_ok=True)
            continue
        log.info("begun with a copy of %s, which one environment had for itself", candidate)
        return candidate
    return None
