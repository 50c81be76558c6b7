"""A Hugging Face checkpoint folder: its configuration, its tensors, its other small files.

Knows the folder's layout, whole or in shards, and refuses what holds no plain safetensors weights.
Knows nothing of GGUF or of architectures. Called by `plan.py` and `vocabulary.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from wiz_kernel_ext.errors import ConversionRefused, ModelFileNotFound
from wiz_kernel_ext.folders import entries, is_file
from wiz_kernel_ext.making.convert.safetensors import StoredTensor, read_header

MAX_CONFIG_BYTES = 4 << 20
MAX_TOKENIZER_BYTES = 128 << 20
# What a conversion reads of a repository, as patterns of file names.
CHECKPOINT_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.*",
    "modules.json",
    "*_Pooling/config.json",
    "README.md",
    "model*.safetensors",
    "model.safetensors.index.json",
)
_INDEX = "model.safetensors.index.json"
_CACHED = re.compile(r"models--(?P<repo>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})")


@dataclass(frozen=True)
class Checkpoint:
    """A folder with config.json and safetensors weights."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """The checkpoint in `folder`; raises ModelFileNotFound when there is none."""
        if not folder.is_dir():
            raise ModelFileNotFound(
                f"There is no folder {folder}.",
                hint="Give the folder with the model's config.json and *.safetensors.",
            )
        if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
            raise ConversionRefused(
                f"{folder} holds a LoRA adapter, not a model.",
                hint=f"Make an adapter's GGUF of it: `wiz convert {folder}`.",
                source=str(folder),
            )
        return cls(folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json; raises ConversionRefused when it is missing or unreadable."""
        config = self.read_json("config.json")
        if config is None:
            raise self.refusal(
                "there is no config.json",
                "Give the folder (or repository) of a Hugging Face checkpoint.",
            )
        return config

    def read_json(self, name: str, max_bytes: int = MAX_CONFIG_BYTES) -> dict[str, Any] | None:
        """The JSON object in the file `name`, or None if there is no such file."""
        data = self.read(name, max_bytes)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self.refusal(
                f"{name} is not readable ({error})", "Download that file again.", file=name
            ) from None

    def read_list(self, name: str) -> list[dict[str, Any]] | None:
        """The JSON list of objects in the file `name`, or None if there is no such file."""
        data = self.read(name)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=list[dict[str, Any]])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self.refusal(
                f"{name} is not readable ({error})", "Download that file again.", file=name
            ) from None

    def read(self, name: str, max_bytes: int = MAX_CONFIG_BYTES) -> bytes | None:
        """The content of the file `name`, or None if there is no such file."""
        path = self.folder / name
        try:
            with path.open("rb") as stream:
                data = stream.read(max_bytes + 1)
        except (FileNotFoundError, IsADirectoryError):
            return None
        except OSError as error:
            raise self.refusal(
                f"{name} cannot be read: {error.strerror or error}",
                "Check the file's permissions.",
                file=name,
            ) from None
        if len(data) > max_bytes:
            raise self.refusal(
                f"{name} is larger than {max_bytes >> 20} MiB", "That is no such file.", file=name
            )
        return data

    @cached_property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """Every tensor of the checkpoint, by name."""
        index = self.read_json(_INDEX, MAX_CONFIG_BYTES * 4)
        if index is None:
            return self._all_tensors()
        places = index.get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(p, str) for p in places.values()):
            raise self.refusal("there is no weight_map in it", "Download it again.", file=_INDEX)
        tensors: dict[str, StoredTensor] = {}
        for shard in sorted(set(places.values())):
            if Path(shard).name != shard or "\\" in shard or not shard.endswith(".safetensors"):
                raise self.refusal(
                    f"it names the shard {shard!r}, which is no plain safetensors file name",
                    "Do not use this repository.",
                    file=_INDEX,
                )
            if not (self.folder / shard).is_file():
                raise self.refusal(f"the part {shard} is missing", "Download it.", file=shard)
            tensors |= read_header(self.folder / shard)
        if missing := sorted(places.keys() - tensors.keys()):
            raise self.refusal(
                f"the tensor {missing[0]!r} is not in its part {places[missing[0]]}",
                "Download the checkpoint again.",
                file=places[missing[0]],
            )
        return tensors

    def _all_tensors(self) -> dict[str, StoredTensor]:
        there = [path for path in entries(self.folder) if is_file(path)]
        files = [path for path in there if path.suffix == ".safetensors"]
        if not files:
            pickles = [path for path in there if path.suffix.startswith((".bin", ".pt"))]
            raise self.refusal(
                f"its weights are pickled ({pickles[0].name}), which can run any code when opened"
                if pickles
                else "there are no *.safetensors files",
                "Take a revision or a copy of the model with safetensors weights.",
                **({"file": pickles[0].name} if pickles else {}),
            )
        # One file is the model; of several without an index the usual name wins.
        usual = self.folder / "model.safetensors"
        if len(files) > 1 and usual not in files:
            raise self.refusal(
                f"it has {len(files)} safetensors files but no {_INDEX}",
                "Download that file too.",
                file=_INDEX,
            )
        return read_header(usual if usual in files else files[0])

    @cached_property
    def size_bytes(self) -> int:
        """The bytes of all its tensors."""
        return sum(tensor.size_bytes for tensor in self.tensors.values())

    @property
    def origin(self) -> tuple[str, str] | None:
        """(repository, commit) when the folder lies in a Hugging Face cache, else None."""
        match = _CACHED.search(self.folder.absolute().as_posix())
        return (match["repo"].replace("--", "/", 1), match["commit"]) if match else None

    @property
    def label(self) -> str:
        """What to call it: its repository if it is known, else its folder."""
        return self.origin[0] if self.origin else str(self.folder)

    def integer(self, *names: str, default: int | None = None, most: int = 1 << 24) -> int:
        """The first of these configuration keys that is there, a whole number from 1 to `most`."""
        value = self.value(*names, default=default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.refusal(
                f"config.json has no usable {names[0]} ({value!r})", file="config.json"
            )
        return value

    def number(self, *names: str, default: float | None = None) -> float:
        """The first of these configuration keys that is there, a finite number."""
        value = self.value(*names, default=default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
            raise self.refusal(
                f"config.json has no usable {names[0]} ({value!r})", file="config.json"
            )
        return float(value)

    def value(self, *names: str, default: Any = None) -> Any:
        """The first of these configuration keys that is there and not null, else `default`."""
        for name in names:
            if self.config.get(name) is not None:
                return self.config[name]
        return default

    def refusal(self, reason: str, hint: str | None = None, **details: Any) -> ConversionRefused:
        """The error that says why this checkpoint is not converted."""
        if hint is None:
            hint = (
                "If it is as published, llama.cpp's own converter may take it: "
                f"`wiz convert {self.label} --llama-cpp CHECKOUT`, or LLAMA_CPP_DIR for good."
            )
        return ConversionRefused(
            f"{self.label} cannot be converted: {reason}.",
            hint=hint,
            source=str(self.folder),
            reason=reason,
            **details,
        )
