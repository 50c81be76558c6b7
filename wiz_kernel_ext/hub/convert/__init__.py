"""Hugging Face safetensors checkpoints to GGUF, without torch.

`convert` and `estimate` are what callers need. The work is done in a child process
(`python -m wiz_kernel_ext.hub.convert`), which alone needs numpy, gguf and tokenizers.
"""

from wiz_kernel_ext.hub.convert.conversion import convert, estimate
from wiz_kernel_ext.hub.convert.report import ConversionReport

__all__ = ["ConversionReport", "convert", "estimate"]
