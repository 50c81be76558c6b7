"""A transformer in numpy, by Hugging Face's names and conventions, for converted models to match.

One forward for every decoder family, one for BERT. Written from the papers' and transformers'
formulas, in double precision, and on purpose without anything of the converter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Config = Mapping[str, Any]


def logits(config: Config, weights: Mapping[str, Array], ids: Sequence[int]) -> Array:
    """Logits [token, vocabulary] of a decoder."""
    kind = config["model_type"]
    gemma = kind.startswith("gemma")
    w = {name.removeprefix("model."): np.asarray(v, np.float64) for name, v in weights.items()}
    x = w["embed_tokens.weight"][list(ids)]
    if gemma:
        x = x * math.sqrt(config["hidden_size"])

    def norm(name: str, values: Array) -> Array:
        scale = w[f"{name}.weight"] + (1 if gemma else 0)
        mean = (values**2).mean(-1, keepdims=True)
        return np.asarray(values / np.sqrt(mean + config["rms_norm_eps"]) * scale)

    for layer in range(config["num_hidden_layers"]):
        p = f"layers.{layer}."
        attended = _attention(config, w, layer, norm(p + "input_layernorm", x), norm)
        if gemma:
            x = x + norm(p + "post_attention_layernorm", attended)
            h = _feed_forward(config, w, p, norm(p + "pre_feedforward_layernorm", x))
            x = x + norm(p + "post_feedforward_layernorm", h)
        else:
            x = x + attended
            x = x + _feed_forward(config, w, p, norm(p + "post_attention_layernorm", x))
    x = norm("norm", x)
    head = w["embed_tokens.weight"] if config["tie_word_embeddings"] else w["lm_head.weight"]
    return _capped(x @ head.T, config.get("final_logit_softcapping"))


def _attention(config: Config, w: Mapping[str, Array], layer: int, x: Array, norm: Any) -> Array:
    p = f"layers.{layer}.self_attn."
    n_heads, n_kv = config["num_attention_heads"], config["num_key_value_heads"]
    width = config.get("head_dim") or config["hidden_size"] // n_heads
    n = len(x)

    def project(name: str) -> Array:
        return np.asarray(x @ w[f"{p}{name}.weight"].T + w.get(f"{p}{name}.bias", 0.0))

    if config["model_type"] == "phi3":
        q, k, v = np.split(project("qkv_proj"), [n_heads * width, (n_heads + n_kv) * width], axis=1)
    else:
        q, k, v = project("q_proj"), project("k_proj"), project("v_proj")
    q, k, v = (a.reshape(n, -1, width).swapaxes(0, 1) for a in (q, k, v))
    if f"{p}q_norm.weight" in w:
        q, k = norm(p + "q_norm", q), norm(p + "k_norm", k)
    windowed = _windowed(config, layer)
    if config.get("no_rope_layers", [1] * 999)[layer]:
        q, k = (_rotated(config, a, windowed) for a in (q, k))
    k, v = (np.repeat(a, n_heads // n_kv, axis=0) for a in (k, v))
    scale = config.get("query_pre_attn_scalar", width) ** -0.5
    scores = _capped(q @ k.swapaxes(1, 2) * scale, config.get("attn_logit_softcapping"))
    distance = np.arange(n)[:, None] - np.arange(n)[None, :]
    seen = distance >= 0
    if windowed:
        seen &= distance < config["sliding_window"]
    mixed = _softmax(np.where(seen, scores, -np.inf)) @ v
    merged = mixed.swapaxes(0, 1).reshape(n, -1)
    return np.asarray(merged @ w[f"{p}o_proj.weight"].T + w.get(f"{p}o_proj.bias", 0.0))


def _feed_forward(config: Config, w: Mapping[str, Array], p: str, x: Array) -> Array:
    if config["model_type"] == "phi3":
        gate, up = np.split(x @ w[f"{p}mlp.gate_up_proj.weight"].T, 2, axis=1)
    else:
        gate = x @ w[f"{p}mlp.gate_proj.weight"].T + w.get(f"{p}mlp.gate_proj.bias", 0.0)
        up = x @ w[f"{p}mlp.up_proj.weight"].T + w.get(f"{p}mlp.up_proj.bias", 0.0)
    if config["model_type"].startswith("gemma"):
        inner = math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)
        active = 0.5 * gate * (1 + np.tanh(inner))
    else:
        active = gate / (1 + np.exp(-gate))
    down: Array = (active * up) @ w[f"{p}mlp.down_proj.weight"].T
    return down + w.get(f"{p}mlp.down_proj.bias", 0.0)


def _windowed(config: Config, layer: int) -> bool:
    kinds = config.get("layer_types")
    if kinds is not None:
        return bool(kinds[layer] == "sliding_attention")
    period = {"gemma2": 2, "gemma3_text": 6}.get(config["model_type"])
    return period is not None and (layer + 1) % period != 0


def _rotated(config: Config, x: Array, windowed: bool) -> Array:
    """Rotate halves; x is [head, token, width]."""
    width, n_context = x.shape[-1], config["max_position_embeddings"]
    rope: dict[str, Any] = dict(config.get("rope_scaling") or {})
    rope.setdefault("rope_theta", config.get("rope_theta", 10_000.0))
    new = config.get("rope_parameters") or {}
    if "full_attention" in new:
        new = new["sliding_attention" if windowed else "full_attention"]
        rope = {}
    elif windowed and "rope_local_base_freq" in config:
        rope = {"rope_theta": config["rope_local_base_freq"]}
    rope |= new
    kind = rope.get("rope_type") or rope.get("type", "default")
    n_rotated = int(
        width * rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1))
    )
    steps = np.arange(0, n_rotated, 2) / n_rotated
    frequencies = rope["rope_theta"] ** -steps
    magnitude = 1.0
    original: Any = rope.get(
        "original_max_position_embeddings",
        config.get("original_max_position_embeddings", n_context),
    )
    if kind == "linear":
        frequencies = frequencies / rope["factor"]
    elif kind == "llama3":
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        turns = original * frequencies / (2 * math.pi)
        smooth = np.clip((turns - low) / (high - low), 0, 1)
        frequencies = frequencies * (smooth + (1 - smooth) / rope["factor"])
    elif kind == "yarn":

        def dimension(n_turns: float) -> float:
            turn = math.log(original / (n_turns * 2 * math.pi))
            return n_rotated * turn / (2 * math.log(rope["rope_theta"]))

        first, last = math.floor(dimension(32)), math.ceil(dimension(1))
        first, last = max(first, 0), min(last, n_rotated - 1)
        ramp = np.clip((np.arange(n_rotated // 2) - first) / max(last - first, 0.001), 0, 1)
        frequencies = frequencies * (1 - ramp) + frequencies / rope["factor"] * ramp
        magnitude = rope.get("attention_factor") or 0.1 * math.log(rope["factor"]) + 1
    elif kind == "longrope":
        is_long = config["n_context_used"] > original
        frequencies = frequencies / np.asarray(rope["long_factor" if is_long else "short_factor"])
        scale = n_context / original
        magnitude = math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0
    angles = np.arange(x.shape[1])[:, None] * frequencies
    cos, sin = (np.tile(f(angles), 2) * magnitude for f in (np.cos, np.sin))
    turned, rest = x[..., :n_rotated], x[..., n_rotated:]
    first_half, second_half = np.split(turned, 2, axis=-1)
    rotated = turned * cos + np.concatenate([-second_half, first_half], -1) * sin
    return np.concatenate([rotated, rest], -1)


def _capped(x: Array, cap: float | None) -> Array:
    return x if cap is None else cap * np.tanh(x / cap)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def bert_states(config: Config, weights: Mapping[str, Array], ids: Sequence[int]) -> Array:
    """The last hidden states [token, width] of BERT."""
    w = {name.removeprefix("bert."): np.asarray(v, np.float64) for name, v in weights.items()}

    def linear(name: str, x: Array) -> Array:
        return np.asarray(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])

    def norm(name: str, x: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return np.asarray(centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"])

    n, n_heads = len(ids), config["num_attention_heads"]
    x = w["embeddings.word_embeddings.weight"][list(ids)]
    x = x + w["embeddings.position_embeddings.weight"][:n]
    x = norm("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
    for layer in range(config["num_hidden_layers"]):
        p = f"encoder.layer.{layer}."
        q, k, v = (
            linear(f"{p}attention.self.{part}", x).reshape(n, n_heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        mixed = _softmax(q @ k.swapaxes(1, 2) * q.shape[-1] ** -0.5) @ v
        merged = mixed.swapaxes(0, 1).reshape(n, -1)
        x = norm(p + "attention.output.LayerNorm", x + linear(p + "attention.output.dense", merged))
        h = linear(p + "intermediate.dense", x)
        h = 0.5 * h * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        x = norm(p + "output.LayerNorm", x + linear(p + "output.dense", h))
    return x
