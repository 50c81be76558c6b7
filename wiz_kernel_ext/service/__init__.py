"""The process that lives on: one per user, host and environment, between notebooks and workers.

It keeps what must outlive a kernel and a worker: operations, sessions, downloads and the
supervision of worker processes. It never imports llama_cpp or huggingface_hub. Started by the first
client that needs it, as `python -m wiz_kernel_ext.service`.
"""
