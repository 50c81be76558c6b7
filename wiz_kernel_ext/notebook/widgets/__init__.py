"""Panels: windows on the service's state, in front ends that show widgets.

Nothing lives here but what is on the screen: a panel made anew, in a new kernel, shows what the old
one did. Loaded on first use of `wiz.Chat`, `wiz.Status`, `wiz.Downloader` or their magics.
"""

from wiz_kernel_ext.notebook.widgets.chat import Chat
from wiz_kernel_ext.notebook.widgets.downloader import Downloader
from wiz_kernel_ext.notebook.widgets.status import Status

__all__ = ["Chat", "Downloader", "Status"]
