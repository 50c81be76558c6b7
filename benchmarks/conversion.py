"""Conversion of a random 0.6 GB checkpoint: speed, and peak memory against what is allowed."""

from __future__ import annotations

import asyncio
import json
import resource
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.report import Figure
from tests.hub.convert.checkpoints import write_tokenizer
from wiz_kernel_ext.hub.convert import convert

OUT_TYPES = ("bf16", "f16", "q8_0")
SIZE_BYTES = 600_000_000
WIDTH, N_FFN, N_KV, N_HEADS, N_VOCAB = 1024, 2816, 256, 16, 49_152


def write_checkpoint(folder: Path, size_bytes: int) -> int:
    """Write a Llama checkpoint of about that size in BF16; the bytes of its largest tensor."""
    write_tokenizer(folder, "llama3")
    shapes = {"model.embed_tokens.weight": (N_VOCAB, WIDTH), "model.norm.weight": (WIDTH,)}
    n_layers = 0
    while sum(int(np.prod(shape)) * 2 for shape in shapes.values()) < size_bytes:
        p = f"model.layers.{n_layers}."
        shapes |= {
            p + "input_layernorm.weight": (WIDTH,),
            p + "post_attention_layernorm.weight": (WIDTH,),
            p + "self_attn.q_proj.weight": (WIDTH, WIDTH),
            p + "self_attn.k_proj.weight": (N_KV, WIDTH),
            p + "self_attn.v_proj.weight": (N_KV, WIDTH),
            p + "self_attn.o_proj.weight": (WIDTH, WIDTH),
            p + "mlp.gate_proj.weight": (N_FFN, WIDTH),
            p + "mlp.up_proj.weight": (N_FFN, WIDTH),
            p + "mlp.down_proj.weight": (WIDTH, N_FFN),
        }
        n_layers += 1
    config = {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": WIDTH,
        "intermediate_size": N_FFN,
        "num_hidden_layers": n_layers,
        "num_attention_heads": N_HEADS,
        "num_key_value_heads": N_KV * N_HEADS // WIDTH,
        "max_position_embeddings": 4096,
        "vocab_size": N_VOCAB,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    header, offset = {}, 0
    for name, shape in shapes.items():
        n = int(np.prod(shape)) * 2
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + n]}
        offset += n
    rng = np.random.default_rng(0)
    block = (rng.standard_normal(1 << 22).astype(np.float32).view(np.uint32) >> 16).astype(
        np.uint16
    )
    with (folder / "model.safetensors").open("wb") as stream:
        text = json.dumps(header).encode()
        stream.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            stream.write(np.resize(np.roll(block, offset), int(np.prod(shape))).tobytes())
    return N_VOCAB * WIDTH * 2


def run(n_rounds: int) -> list[Figure]:
    """Convert to each type, `n_rounds` times."""
    rates: dict[str, list[float]] = {out_type: [] for out_type in OUT_TYPES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        largest = write_checkpoint(folder, SIZE_BYTES)
        for _ in range(n_rounds):
            for out_type in OUT_TYPES:
                target = folder / f"out-{out_type}.gguf"
                report = asyncio.run(convert(folder, target, outtype=out_type))
                target.unlink()
                rates[out_type].append(report.source_size_bytes / report.duration_s / 1e6)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    allowed = 2 * largest + 300e6
    figures = [
        Figure(f"safetensors to {out_type}", samples, "MB/s", "≥ 100 MB/s")
        for out_type, samples in rates.items()
    ]
    return [*figures, Figure("peak memory / allowed", [peak / allowed], "×", "≤ 1")]
