"""A model's sizes and settings: from config.json to GGUF keys.

Knows which settings llama.cpp cannot follow, and refuses those that would change every answer;
those that matter only beyond some length become notices. Called by `plan.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.families import FAMILIES, Family
from wiz_kernel_ext.making.convert.rope import Fact, read_rope

MAX_LAYERS = 1024
_ATTENTION = ["sliding_attention", "full_attention"]
_POOLING = {"mean": 1, "cls": 2, "lasttoken": 3}


@dataclass(frozen=True)
class Hyperparameters:
    """Sizes by their letter (see `families.py`), GGUF keys, rope factors, notices."""

    n_layers: int
    head_width: int
    sizes: dict[str, int]
    facts: dict[str, Fact]
    factors: dict[str, tuple[float, ...]]
    notices: list[str]


def find_family(checkpoint: Checkpoint) -> Family:
    """The family of `checkpoint`; raises ConversionRefused with the reason when there is none."""
    config = checkpoint.config
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    scheme = config.get("quantization_config") or config.get("compression_config")
    if scheme:
        method = scheme.get("quant_method", "") if isinstance(scheme, dict) else ""
        raise checkpoint.refusal(
            f"its weights are quantized already ({method or 'quantization_config'})",
            "Convert the original model it was made from.",
            file="config.json",
        )
    experts = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    if any(config.get(key) for key in experts) or "moe" in name.lower() or "Mixtral" in name:
        raise checkpoint.refusal(f"{name or 'it'} is a mixture of experts")
    if any(key in config for key in ("vision_config", "audio_config", "speech_config")):
        raise checkpoint.refusal(f"{name or 'it'} takes pictures or sound")
    family = FAMILIES.get(name)
    if family is None:
        known = ", ".join(FAMILIES)
        raise checkpoint.refusal(
            f"the architecture {name!r} is not one this converter knows ({known})"
        )
    for key, value in family.refused_values.items():
        if config.get(key) == value:
            raise checkpoint.refusal(f"its setting {key} = {value!r} is not one llama.cpp follows")
    return family


def read_hyperparameters(checkpoint: Checkpoint, family: Family) -> Hyperparameters:
    """The sizes and keys of `checkpoint`; raises ConversionRefused for what cannot be followed."""
    notices: list[str] = []
    integer = checkpoint.integer
    n_layers = integer("num_hidden_layers", most=MAX_LAYERS)
    width = integer("hidden_size")
    n_heads = integer("num_attention_heads", most=1 << 16)
    n_kv_heads = integer("num_key_value_heads", default=n_heads, most=n_heads)
    head_width = integer("head_dim", default=family.default_head_width or max(1, width // n_heads))
    n_context = integer("max_position_embeddings", most=1 << 31)
    sizes = {
        "V": integer("vocab_size"),
        "E": width,
        "Q": n_heads * head_width,
        "K": n_kv_heads * head_width,
        "D": head_width,
        "F": integer("intermediate_size"),
        "P": n_context,
        "T": integer("type_vocab_size", default=1),
    }
    is_square = sizes["Q"] == width or not family.square_attention
    if not is_square or n_heads % n_kv_heads or head_width % 2:
        raise checkpoint.refusal(
            f"{n_heads} heads of {head_width} for a width of {width} "
            f"are not a form llama.cpp has for {family.architecture} models",
            file="config.json",
        )
    activation = checkpoint.value("hidden_activation", "hidden_act")
    if activation is not None and str(activation) not in family.activations:
        raise checkpoint.refusal(f"the activation {activation!r} is not {family.architecture}'s")
    facts: dict[str, Fact] = {
        "vocab_size": sizes["V"],
        "context_length": n_context,
        "embedding_length": width,
        "block_count": n_layers,
        "feed_forward_length": sizes["F"],
        "attention.head_count": n_heads,
    }
    pooling = _pooling(checkpoint)
    if pooling is not None:  # some decoders are published for embedding too
        facts["pooling_type"] = pooling
    if family.is_embedding:
        facts |= _embedding_facts(checkpoint)
        return Hyperparameters(n_layers, head_width, sizes, facts, {}, notices)
    facts |= {
        "attention.head_count_kv": n_kv_heads,
        "attention.key_length": head_width,
        "attention.value_length": head_width,
        "attention.layer_norm_rms_epsilon": checkpoint.number("rms_norm_eps", default=1e-6),
    }
    rope = read_rope(checkpoint, family, head_width, n_context)
    facts |= rope.facts
    facts |= _window_facts(checkpoint, family, n_layers, n_context, notices)
    if family.architecture in ("gemma2", "gemma3"):
        facts |= _gemma_facts(checkpoint, family, n_layers, width // n_heads, head_width)
    if family.architecture == "smollm3":
        _check_unrotated_layers(checkpoint, n_layers)
    return Hyperparameters(n_layers, head_width, sizes, facts, rope.factors, notices)


def _embedding_facts(checkpoint: Checkpoint) -> dict[str, Fact]:
    kind = checkpoint.value("position_embedding_type", default="absolute")
    if kind != "absolute":
        raise checkpoint.refusal(f"its position embeddings are {kind!r}, not absolute")
    return {
        "attention.causal": False,
        "attention.layer_norm_epsilon": checkpoint.number("layer_norm_eps", default=1e-12),
    }


def _pooling(checkpoint: Checkpoint) -> int | None:
    """llama.cpp's number of the sentence-transformers pooling, or None when nothing says it."""
    listing = checkpoint.read_list("modules.json")
    if listing is None:
        return None
    types = [str(module.get("type", "")).rpartition(".")[2] for module in listing]
    if extra := [kind for kind in types if kind not in ("Transformer", "Pooling", "Normalize")]:
        raise checkpoint.refusal(
            f"it goes on after the pooling with a {extra[0]!r} step, which llama.cpp does not do",
            file="modules.json",
        )
    if "Pooling" not in types:
        return None
    folder = str(listing[types.index("Pooling")].get("path", ""))
    if "/" in folder or "\\" in folder or folder.startswith("."):
        raise checkpoint.refusal("the path of its pooling is odd", file="modules.json")
    settings = checkpoint.read_json(f"{folder}/config.json")
    if settings is None:
        raise checkpoint.refusal(
            f"{folder}/config.json, which says how it pools, is missing",
            "Download that file too.",
            file=f"{folder}/config.json",
        )
    modes = [
        key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for key, value in settings.items()
        if key.startswith("pooling_mode_") and value is True
    ] or [str(settings.get("pooling_mode", "none"))]
    if len(modes) != 1 or modes[0] not in _POOLING:
        raise checkpoint.refusal(
            f"llama.cpp does not pool by {' and '.join(modes)}", file=f"{folder}/config.json"
        )
    return _POOLING[modes[0]]


def _window_facts(
    checkpoint: Checkpoint, family: Family, n_layers: int, n_context: int, notices: list[str]
) -> dict[str, Fact]:
    window = checkpoint.value("sliding_window")
    if family.window_pattern is None:
        # Qwen's configurations name a window that is off unless they say otherwise.
        usual = family.architecture in ("llama", "phi3")
        in_use = checkpoint.value("use_sliding_window", default=usual)
        if isinstance(window, int) and in_use and window < n_context:
            notices.append(
                f"The model was trained with an attention window of {window} tokens, which "
                "llama.cpp does not follow for it: longer texts may come out differently."
            )
        return {}
    n_window = checkpoint.integer("sliding_window", default=4096, most=1 << 31)
    facts: dict[str, Fact] = {"attention.sliding_window": n_window}
    period = checkpoint.integer(
        "sliding_window_pattern", "_sliding_window_pattern", default=family.window_pattern
    )
    kinds = checkpoint.value("layer_types")
    if isinstance(kinds, list):
        if len(kinds) != n_layers or any(kind not in _ATTENTION for kind in kinds):
            raise checkpoint.refusal("its layer_types are none llama.cpp has", file="config.json")
        windowed = [kind == "sliding_attention" for kind in kinds]
    else:
        windowed = [(layer + 1) % period != 0 for layer in range(n_layers)]
    if windowed != [(layer + 1) % family.window_pattern != 0 for layer in range(n_layers)]:
        facts["attention.sliding_window_pattern"] = windowed
    return facts


def _gemma_facts(
    checkpoint: Checkpoint, family: Family, n_layers: int, even_width: int, head_width: int
) -> dict[str, Fact]:
    # llama.cpp knows the 27B models, which scale otherwise, by their number of layers.
    is_27b = n_layers == (46 if family.architecture == "gemma2" else 62)
    expected = even_width if is_27b else head_width
    scalar = checkpoint.number("query_pre_attn_scalar", default=float(head_width))
    if scalar != expected:
        raise checkpoint.refusal(
            f"llama.cpp scales its queries by {expected}, not by query_pre_attn_scalar = {scalar:g}"
        )
    attention = checkpoint.value("attn_logit_softcapping")
    final = checkpoint.value("final_logit_softcapping")
    if family.architecture == "gemma2":
        if attention is None or final is None:
            raise checkpoint.refusal("its softcapping is off, which llama.cpp cannot do for gemma2")
        return {
            "attn_logit_softcapping": checkpoint.number("attn_logit_softcapping"),
            "final_logit_softcapping": checkpoint.number("final_logit_softcapping"),
        }
    if attention is not None:
        raise checkpoint.refusal("llama.cpp has no attention softcapping for gemma3")
    if final is not None:
        return {"final_logit_softcapping": checkpoint.number("final_logit_softcapping")}
    return {}


def _check_unrotated_layers(checkpoint: Checkpoint, n_layers: int) -> None:
    # llama.cpp leaves every fourth layer of SmolLM3 without positions, whatever the file says.
    period = checkpoint.integer("no_rope_layer_interval", default=4)
    rotated = checkpoint.value(
        "no_rope_layers", default=[int((layer + 1) % period != 0) for layer in range(n_layers)]
    )
    if rotated != [int((layer + 1) % 4 != 0) for layer in range(n_layers)]:
        raise checkpoint.refusal("its layers without positions are not every fourth")
