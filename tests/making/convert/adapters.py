"""Writes PEFT adapters with random weights, and checkpoints that have one merged in."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.making.convert.checkpoints import Weights, safetensors

PROJECTIONS = r"(q|k|v|o|gate|up|down|qkv|gate_up)_proj"


def write_peft(
    folder: Path,
    weights: Weights,
    *,
    rank: int = 4,
    alpha: float = 8.0,
    targets: str = PROJECTIONS,
    dtype: str = "F32",
    ranks: Mapping[str, int] | None = None,
    replaced: Mapping[str, Any] | None = None,
    **config: Any,
) -> Weights:
    """Write an adapter for `weights` into `folder`; what it adds to each of them, by PEFT's rule.

    `ranks` are those of single modules; `replaced` are tensors by name (None: left out).
    """
    rng = np.random.default_rng(11)
    tensors: Weights = {}
    added: Weights = {}
    for name, values in weights.items():
        module = name.removesuffix(".weight")
        if not re.search(rf"\.{targets}$", module):
            continue
        r = (ranks or {}).get(module, rank)
        a = (rng.standard_normal((r, values.shape[1])) * 0.2).astype(np.float32)
        b = (rng.standard_normal((values.shape[0], r)) * 0.2).astype(np.float32)
        tensors[f"base_model.model.{module}.lora_A.weight"] = a
        tensors[f"base_model.model.{module}.lora_B.weight"] = b
        scale = alpha / (math.sqrt(r) if config.get("use_rslora") else r)
        added[name] = scale * (b @ a)
    for name, values in (replaced or {}).items():
        tensors.pop(name, None)
        if values is not None:
            tensors[name] = values
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(safetensors(tensors, dtype))
    said = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "somebody/some-model",
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": ["q_proj", "v_proj"],
        "bias": "none",
        "use_dora": False,
        "use_rslora": False,
        "fan_in_fan_out": False,
        "modules_to_save": None,
        "rank_pattern": ranks or {},
        "alpha_pattern": {},
        "init_lora_weights": True,
        **config,
    }
    (folder / "adapter_config.json").write_text(json.dumps(said))
    return added


def merged(weights: Weights, added: Weights) -> Weights:
    """The weights with an adapter in them."""
    return {name: values + added.get(name, 0) for name, values in weights.items()}
