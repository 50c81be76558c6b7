"""The process that holds the model: `LlamaWorker`, and `LlamaWorkerBridge` in front of it.

`LlamaWorker` also works in-process, without any service. Importing this package imports nothing:
`python -m wiz_kernel_ext.worker` passes here first, and has its engine to load before all else.
"""
