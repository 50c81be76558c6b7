"""How positions are rotated: from either form of the configuration to GGUF keys and factors.

Knows transformers' two forms (`rope_theta` + `rope_scaling`; `rope_parameters`, flat or one for
each kind of layer) and llama.cpp's keys. Refuses a type the family's graph would ignore: the model
would speak, but worse the longer the text. Called by `hyperparameters.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.families import Family

# No model has settings beyond these, and nothing computed from them can overflow.
MIN_NUMBER, MAX_NUMBER = 1e-9, 2.0**31

Fact = bool | int | float | str | list[bool]


@dataclass(frozen=True)
class Rope:
    """GGUF keys (without the architecture) and factor tensors, each of half the rotated width."""

    facts: dict[str, Fact]
    factors: dict[str, tuple[float, ...]] = field(default_factory=dict)


def read_rope(checkpoint: Checkpoint, family: Family, head_width: int, n_context: int) -> Rope:
    """The rotation of `checkpoint`; raises ConversionRefused for one llama.cpp cannot do."""
    try:
        return _rope(checkpoint, family, head_width, n_context)
    except ArithmeticError as error:
        raise checkpoint.refusal(
            f"its rope settings cannot be computed with ({error})", file="config.json"
        ) from None


def _rope(checkpoint: Checkpoint, family: Family, head_width: int, n_context: int) -> Rope:
    settings, local_theta = _settings(checkpoint, family)
    kind = str(settings.get("rope_type") or settings.get("type") or "default").lower()
    if kind == "su":  # the first name of Phi-3's
        kind = "longrope"
    if kind not in family.rope_types:
        models = f"{family.architecture} models"
        raise checkpoint.refusal(
            f"the rope type {kind!r} is not one llama.cpp computes for {models}"
        )
    theta = _number(checkpoint, settings, "rope_theta")
    n_rotated = int(head_width * _number(checkpoint, settings, "partial_rotary_factor", 1.0))
    if not 2 <= n_rotated <= head_width or n_rotated % 2:
        raise checkpoint.refusal(f"it rotates {n_rotated} of {head_width}", file="config.json")
    facts: dict[str, Fact] = {"rope.freq_base": theta, "rope.dimension_count": n_rotated}
    if local_theta is not None:
        facts["rope.freq_base_swa"] = local_theta
    factors: dict[str, tuple[float, ...]] = {}
    if kind == "linear":
        facts["rope.scaling.type"] = "linear"
        facts["rope.scaling.factor"] = _number(checkpoint, settings, "factor")
    elif kind == "llama3":
        factors["rope_freqs.weight"] = _llama3(checkpoint, settings, theta, n_rotated)
    elif kind == "yarn":
        facts |= _yarn(checkpoint, settings, n_context)
    elif kind == "longrope":
        facts |= _longrope(checkpoint, settings, n_context)
        for length in ("long", "short"):
            factors[f"rope_factors_{length}.weight"] = _factors(
                checkpoint, settings, f"{length}_factor", n_rotated // 2
            )
    return Rope(facts, factors)


def _settings(checkpoint: Checkpoint, family: Family) -> tuple[dict[str, Any], float | None]:
    """One flat form of what the configuration says, and the base of window layers if it differs."""
    new = checkpoint.value("rope_parameters", default={})
    old = checkpoint.value("rope_scaling", default={})
    if not isinstance(new, dict) or not isinstance(old, dict):
        raise checkpoint.refusal("config.json's rope settings are no object", file="config.json")
    has_local = family.architecture == "gemma3"
    local: float | None = checkpoint.number("rope_local_base_freq", default=10_000.0)
    if isinstance(new.get("full_attention"), dict):
        window = new.get("sliding_attention")
        new = new["full_attention"]
        if isinstance(window, dict):
            if window.get("rope_type", "default") != "default":
                raise checkpoint.refusal("its window layers have a rope scaling of their own")
            local = _number(checkpoint, window, "rope_theta")
    settings = {
        "rope_theta": checkpoint.number("rope_theta", default=family.rope_theta),
        "partial_rotary_factor": checkpoint.number("partial_rotary_factor", default=1.0),
    }
    settings |= {key: value for key, value in {**old, **new}.items() if value is not None}
    return settings, local if has_local else None


def _llama3(
    checkpoint: Checkpoint, settings: Mapping[str, Any], theta: float, n_rotated: int
) -> tuple[float, ...]:
    """Divisors of the frequencies, as transformers' `_compute_llama3_parameters` computes them."""
    factor = _number(checkpoint, settings, "factor")
    low = _number(checkpoint, settings, "low_freq_factor")
    high = _number(checkpoint, settings, "high_freq_factor")
    n_original = _number(checkpoint, settings, "original_max_position_embeddings")
    if not 0 < low < high or factor <= 0:
        raise checkpoint.refusal("its llama3 rope factors are impossible", file="config.json")
    divisors = []
    for i in range(0, n_rotated, 2):
        wavelength = 2 * math.pi * theta ** (i / n_rotated)
        if wavelength < n_original / high:
            divisors.append(1.0)
        elif wavelength > n_original / low:
            divisors.append(factor)
        else:
            smooth = (n_original / wavelength - low) / (high - low)
            divisors.append(1 / ((1 - smooth) / factor + smooth))
    return tuple(divisors)


def _yarn(checkpoint: Checkpoint, settings: Mapping[str, Any], n_context: int) -> dict[str, Fact]:
    n_original = _number(checkpoint, settings, "original_max_position_embeddings", float(n_context))
    factor = _number(checkpoint, settings, "factor", n_context / n_original)
    usual = {"beta_fast": 32.0, "beta_slow": 1.0, "truncate": True}
    odd = [key for key, value in usual.items() if settings.get(key, value) != value]
    odd += [key for key in ("mscale", "mscale_all_dim") if settings.get(key)]
    if odd:
        raise checkpoint.refusal(f"llama.cpp cannot be told the yarn setting {odd[0]!r}")
    facts: dict[str, Fact] = {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": factor,
        "rope.scaling.original_context_length": int(n_original),
    }
    usual_attention = 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0
    attention = _number(checkpoint, settings, "attention_factor", usual_attention)
    if attention != usual_attention:
        # llama.cpp multiplies this with the usual one.
        facts["rope.scaling.attn_factor"] = attention / usual_attention
    return facts


def _longrope(
    checkpoint: Checkpoint, settings: Mapping[str, Any], n_context: int
) -> dict[str, Fact]:
    default = checkpoint.integer("original_max_position_embeddings", default=n_context)
    n_original = int(
        _number(checkpoint, settings, "original_max_position_embeddings", float(default))
    )
    if n_original < 2:
        raise checkpoint.refusal("its original context is too short", file="config.json")
    scale = n_context / n_original
    if "short_mscale" in settings or "long_mscale" in settings:
        raise checkpoint.refusal("llama.cpp cannot be told the rope settings short/long_mscale")
    usual = math.sqrt(1 + math.log(scale) / math.log(n_original)) if scale > 1 else 1.0
    return {
        "rope.scaling.type": "longrope",
        "rope.scaling.original_context_length": n_original,
        "rope.scaling.attn_factor": _number(checkpoint, settings, "attention_factor", usual),
    }


def _factors(
    checkpoint: Checkpoint, settings: Mapping[str, Any], name: str, n: int
) -> tuple[float, ...]:
    values = settings.get(name)
    if (
        not isinstance(values, list)
        or len(values) != n
        or not all(isinstance(v, int | float) and MIN_NUMBER <= v <= MAX_NUMBER for v in values)
    ):
        raise checkpoint.refusal(f"its rope setting {name} is not {n} numbers", file="config.json")
    return tuple(float(v) for v in values)


def _number(
    checkpoint: Checkpoint, settings: Mapping[str, Any], name: str, default: float | None = None
) -> float:
    value = settings.get(name, default)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not MIN_NUMBER <= value <= MAX_NUMBER
    ):
        raise checkpoint.refusal(f"its rope setting {name} is {value!r}", file="config.json")
    return float(value)
