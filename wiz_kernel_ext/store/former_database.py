"""The conversations of the time when each Python environment had a service of its own.

The first service for all of them begins with a copy of the database that was used last; the former
files stay as they are.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from pathlib import Path

_PREFIX = "main-"
_FORMER_PREFIX = "env-????????-"

log = logging.getLogger(__name__)


def begin_with_former(file: Path) -> Path | None:
    """Where there is no `file`, make it of the latest former one of this host; says of which."""
    if file.exists() or not file.name.startswith(_PREFIX):
        return None
    former = file.parent.glob(_FORMER_PREFIX + file.name.removeprefix(_PREFIX))
    for candidate in sorted(former, key=lambda path: path.stat().st_mtime, reverse=True):
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
