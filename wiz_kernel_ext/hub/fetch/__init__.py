"""The child process that talks to the hub: `python -m wiz_kernel_ext.hub.fetch`.

It takes one task, says how far it is, and ends in one result or error. A process of its own
because huggingface_hub takes half a second to import and cannot be stopped from inside
(https://github.com/huggingface/huggingface_hub/issues/4632); the service never imports it.
"""
