"""The asking side: finds or starts the service and speaks to it, from any thread or event loop.

One async body (`AsyncClient`), one thin sync face over it (`Client`). The socket is owned by an I/O
thread, so an interrupt of the asker never loses a message. Never imports service, worker or engine.
"""

from wiz_kernel_ext.client.async_client import AsyncClient
from wiz_kernel_ext.client.client import Client
from wiz_kernel_ext.client.operation import AsyncOperation, Operation

__all__ = ["AsyncClient", "AsyncOperation", "Client", "Operation"]
