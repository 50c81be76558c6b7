"""`download`: the downloader panel; done in `notebook/magics/download.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import NOTEBOOK, Command

COMMAND = Command(
    help="find, download and keep models in a panel; in a terminal, list those that are here",
    more="A download belongs to the service: closing the panel, or a kernel restart, ends nothing.",
    faces=NOTEBOOK,
    own_file=NOTEBOOK,
)
