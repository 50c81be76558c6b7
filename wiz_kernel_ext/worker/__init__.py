"""The process that holds the model: `LlamaWorker`, and `LlamaWorkerBridge` in front of it.

`LlamaWorker` also works in-process, without any service. Importing this package loads no llama_cpp:
that happens on the engine's thread, when it starts.
"""

from wiz_kernel_ext.worker.bridge import LlamaWorkerBridge
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.llama_worker import LlamaWorker
from wiz_kernel_ext.worker.local_operation import LocalOperation

__all__ = ["Call", "LlamaWorker", "LlamaWorkerBridge", "LocalOperation"]
