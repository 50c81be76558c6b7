"""Which GGUF files are no language model, and what to load instead. Pure."""

from __future__ import annotations

from wiz_kernel_ext.errors import ModelLoadFailed
from wiz_kernel_ext.gguf_file.header import Header

_VISION = ("clip", "mmproj")


def refuse_other_kinds(name: str, header: Header) -> None:
    """Raise ModelLoadFailed where the file called `name` holds something that cannot answer."""
    metadata = header.metadata
    kind, architecture = metadata.get("general.type"), metadata.get("general.architecture")
    base = metadata.get("general.base_model.0.name")
    of = f" of {base}" if isinstance(base, str) and base else ""
    if kind == "adapter" or "adapter.type" in metadata:
        raise ModelLoadFailed(
            f"{name} is an adapter (LoRA){of}, and no model by itself.",
            hint="Load the model it was made for.",
        )
    if kind in _VISION or architecture in _VISION:
        raise ModelLoadFailed(
            f"{name} is the part{of} that sees images (mmproj), and no model by itself.",
            hint="Load the other .gguf file of its repository: the language model.",
        )
    if not header.tensors:
        raise ModelLoadFailed(
            f"{name} is only a vocabulary: it has no tensors.",
            hint="Load the model's own .gguf file.",
        )
