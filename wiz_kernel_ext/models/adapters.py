"""Adapters by any name of theirs, as paths: what `locate` is for models. Pure but for `find`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wiz_kernel_ext.errors import ModelFileNotFound
from wiz_kernel_ext.protocol.adapters import read_adapters

HINT = "Give the path of a LoRA file (.gguf); `wiz pull` fetches one of the hub."


def located_adapters(texts: Sequence[str], find: Callable[[str], Path]) -> list[str]:
    """The adapters that `texts` name, with the path that `find` has for each name.

    Raises BadRequest for what is no adapter's name, ModelFileNotFound for a file that is not here.
    """
    located = []
    for adapter in read_adapters(texts):
        try:
            path = find(adapter.name)
        except ModelFileNotFound as error:
            hint = error.info().hint
            raise ModelFileNotFound(
                f"The adapter is not here. {error.message}",
                hint=HINT if hint == ModelFileNotFound.default_hint else hint,
                **error.details,
            ) from None
        located.append(str(adapter._replace(name=str(path))))
    return located
