"""A PEFT adapter as a GGUF LoRA: every tensor, and the one scale, before a byte is converted.

Knows PEFT's `adapter_config.json` and the names of its tensors, and refuses what a GGUF LoRA cannot
say: there a tensor counts by alpha / its rank, and alpha is one for all. Needs neither numpy nor
gguf.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wiz_kernel_ext.errors import ConversionRefused
from wiz_kernel_ext.making.convert.adapter_base import AdapterBase, read_base
from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.families import Change, Row
from wiz_kernel_ext.making.convert.plan import OUT_TYPES, PlannedTensor, check_out_type
from wiz_kernel_ext.making.convert.safetensors import FLOAT_BYTES, StoredTensor, read_header

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_FACTOR = re.compile(
    r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight"
)
_HEADER_BYTES = 65_536
_MOST_RANK = 4096
# Each says of the adapter something that a GGUF LoRA cannot, unless it is as here.
_REFUSED: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "use_dora": ((False, None), "it is a DoRA, which scales each row as well"),
    "modules_to_save": ((None, [], ()), "it brings whole layers of its own (modules_to_save)"),
    "bias": (("none", None), "it changes biases too"),
    "lora_bias": ((False, None), "it has biases of its own (lora_bias)"),
    "fan_in_fan_out": ((False, None), "its matrices are stored the other way (fan_in_fan_out)"),
    "layer_replication": ((None, []), "it repeats the model's layers (layer_replication)"),
    "trainable_token_indices": ((None, [], {}), "it has tokens of its own"),
    "target_parameters": ((None, []), "it changes parameters of experts (target_parameters)"),
    "alora_invocation_tokens": ((None, []), "it is to be active from certain tokens on (aLoRA)"),
    "use_qalora": ((False, None), "it is a QA-LoRA, which has factors of another shape"),
    "use_bdlora": ((False, None, {}), "its factors are made of blocks (BD-LoRA)"),
}
# These begin by taking the adapter's first state out of the base model's own weights.
_CHANGED_BASE = ("pissa", "olora", "corda", "loftq")


@dataclass(frozen=True)
class AdapterPlan:
    """Everything to write."""

    architecture: str
    base_name: str
    alpha: float
    out_type: str
    tensors: tuple[PlannedTensor, ...]

    @property
    def size_bytes(self) -> int:
        """About the GGUF's size."""
        return _HEADER_BYTES + sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def source_bytes(self) -> int:
        """The bytes of the adapter's own numbers."""
        return sum(tensor.source.size_bytes for tensor in self.tensors if tensor.source)


def is_adapter(folder: Path) -> bool:
    """Whether there is a PEFT adapter in `folder`, and no model."""
    is_one = (folder / CONFIG).is_file()
    return is_one and not any(folder.glob("model*.safetensors"))


def base_named(folder: Path) -> str:
    """The model that the adapter in `folder` says it is for: a repository or a path; "" for none.

    Raises ConversionRefused for an unreadable configuration.
    """
    name = (Checkpoint(folder).read_json(CONFIG) or {}).get("base_model_name_or_path")
    return name if isinstance(name, str) else ""


def make_adapter_plan(folder: Path, out_type: str, base: Path | None = None) -> AdapterPlan:
    """The plan for the PEFT adapter in `folder`, trained on the model at `base`.

    Without `base` it is the folder itself where that has a config.json, or the folder the adapter
    names. Raises ConversionRefused with the reason.
    """
    return _Planner(folder, check_out_type(out_type)).plan(base)


class _Planner:
    """One adapter on its way to a plan."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        self.config: Mapping[str, Any] = Checkpoint(folder).read_json(CONFIG) or {}

    def plan(self, place: Path | None) -> AdapterPlan:
        self.check_config()
        base = read_base(place or self.find_base())
        tensors: list[PlannedTensor] = []
        alphas: dict[str, float] = {}
        for module, row, target, shape, a, b in self.pairs(base):
            rank = a.shape[0]
            alphas[module] = self.scale(module, rank) * rank
            change = row.change
            tensors += [
                self.planned(f"{target}.lora_a", a, (rank, shape[1]), Change.NONE, 1),
                self.planned(f"{target}.lora_b", b, (shape[0], rank), change, base.head_width),
            ]
        alpha = next(iter(alphas.values()))
        for module, one in alphas.items():
            if not math.isclose(one, alpha, rel_tol=1e-5):
                raise self.refusal(
                    f"{module} is scaled by another alpha ({one:g}) than the others ({alpha:g})"
                )
        architecture = base.family.architecture
        return AdapterPlan(architecture, base.name, alpha, self.kind, tuple(tensors))

    def check_config(self) -> None:
        kind = self.config.get("peft_type")
        if kind != "LORA":
            raise self.refusal(f"it is of type {str(kind)[:40]!r}, and LoRA is converted")
        for key, (plain, why) in _REFUSED.items():
            if self.config.get(key) not in plain:
                raise self.refusal(why)
        start = self.config.get("init_lora_weights")
        if isinstance(start, str) and start.lower().startswith(_CHANGED_BASE):
            raise self.refusal(f"it goes with a base model that was changed too ({start[:40]})")

    def find_base(self) -> Path:
        if (self.folder / "config.json").is_file():
            return self.folder
        named = base_named(self.folder)
        if named and (self.folder / named / "config.json").is_file():
            return self.folder / named
        raise self.refusal(
            f"its base model {named[:200]!r} is not here"
            if named
            else "it does not say which model it is for",
            "Name it: `--base`, a checkpoint's folder or a GGUF of the model.",
        )

    def pairs(
        self, base: AdapterBase
    ) -> Iterator[tuple[str, Row, str, tuple[int, ...], StoredTensor, StoredTensor]]:
        """Both factors of each matrix, in the model's order; all tensors there are."""
        factors = self.factors()
        for name, row, target, shape in base.matrices():
            module = next((p + name for p in base.family.prefixes if p + name in factors), None)
            if module is None:
                continue
            pair = factors.pop(module)
            if len(pair) != 2:
                raise self.refusal(f"it has one of the two factors of {module} only")
            yield module, row, target, shape, pair["A"], pair["B"]
        if factors:
            module = min(factors)
            raise self.refusal(
                f"{module} has no place in {base.name}, or is none of its layers' matrices"
            )

    def factors(self) -> dict[str, dict[str, StoredTensor]]:
        path = self.folder / WEIGHTS
        if not path.is_file():
            raise self.refusal(
                f"there is no {WEIGHTS}", "Save it anew with safe_serialization=True (PEFT)."
            )
        found: dict[str, dict[str, StoredTensor]] = {}
        for name, tensor in read_header(path).items():
            match = _FACTOR.fullmatch(name)
            if match is None:
                raise self.refusal(f"its tensor {name!r} is no factor of a LoRA")
            found.setdefault(match["module"], {})[match["side"]] = tensor
        if not found:
            raise self.refusal("it has no tensors")
        return found

    def scale(self, module: str, rank: int) -> float:
        """How much the product of a module's factors counts."""
        said = self.pattern("rank_pattern", module, self.config.get("r"))
        alpha = self.pattern("alpha_pattern", module, self.config.get("lora_alpha"))
        if said != rank:
            raise self.refusal(f"{module} has rank {rank}, where {CONFIG} says {said!r}")
        is_number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
        if not is_number or not 0 < alpha < 1e6:
            raise self.refusal(f"{CONFIG} has no usable lora_alpha ({alpha!r})")
        return float(alpha) / (math.sqrt(rank) if self.config.get("use_rslora") else rank)

    def pattern(self, key: str, module: str, default: Any) -> Any:
        """What a pattern says of a module: PEFT's patterns are ends of names, or expressions."""
        patterns = self.config.get(key) or {}
        if not isinstance(patterns, dict):
            raise self.refusal(f"{CONFIG} has no usable {key}")
        try:
            found = (v for p, v in patterns.items() if re.match(rf"(.*\.)?({p})$", module))
            return next(found, default)
        except re.error as error:
            raise self.refusal(f"{CONFIG} has no usable {key} ({error})") from None

    def planned(
        self, name: str, source: StoredTensor, shape: tuple[int, int], change: Change, width: int
    ) -> PlannedTensor:
        if source.shape != shape:
            raise self.refusal(
                f"{source.name!r} has the shape {list(source.shape)}, where its model makes it "
                f"{list(shape)}"
            )
        if source.dtype not in FLOAT_BYTES or not 0 < min(shape) <= _MOST_RANK:
            raise self.refusal(f"{source.name!r} holds {source.dtype} numbers of {list(shape)}")
        # As with a model's rows that no block divides.
        kind = "F16" if shape[-1] % OUT_TYPES[self.kind][1] else self.kind
        return PlannedTensor(name, shape, kind, source, change=change, head_width=width)

    def refusal(self, reason: str, hint: str | None = None) -> ConversionRefused:
        return ConversionRefused(
            f"The adapter in {self.folder} cannot be converted: {reason}.",
            hint=hint or "Merge it into its base model (PEFT's merge_and_unload), convert that.",
            source=str(self.folder),
            reason=reason,
        )
