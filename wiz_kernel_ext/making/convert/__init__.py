"""Hugging Face safetensors checkpoints, and PEFT adapters to them, to GGUF, without torch.

`check_supported` and `estimate` say beforehand whether and how large, `convert` does it, in a child
process (`python -m wiz_kernel_ext.making.convert`), which alone needs numpy, gguf and tokenizers.
"""

from wiz_kernel_ext.making.convert.adapter_plan import base_named, is_adapter
from wiz_kernel_ext.making.convert.checkpoint import CHECKPOINT_FILES
from wiz_kernel_ext.making.convert.conversion import convert, estimate
from wiz_kernel_ext.making.convert.handover import FILES as LLAMA_CPP_FILES
from wiz_kernel_ext.making.convert.handover import checkout_for_refused, find_checkout
from wiz_kernel_ext.making.convert.plan import check_supported
from wiz_kernel_ext.making.convert.report import ConversionReport

__all__ = [
    "CHECKPOINT_FILES",
    "LLAMA_CPP_FILES",
    "ConversionReport",
    "base_named",
    "check_supported",
    "checkout_for_refused",
    "convert",
    "estimate",
    "find_checkout",
    "is_adapter",
]
