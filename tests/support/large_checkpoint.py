"""A random checkpoint of any size, and how much memory its conversion took.

For the test and the benchmark of converting; that it says nothing sensible does not matter there.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import numpy as np
import psutil

from tests.making.convert.checkpoints import write_tokenizer

WIDTH, N_FFN, N_KV, N_HEADS = 1024, 2816, 256, 16


def write_large_checkpoint(folder: Path, size_bytes: int, n_vocab: int) -> int:
    """Write a Llama checkpoint of about that size in BF16; the bytes of its largest tensor."""
    write_tokenizer(folder, "llama3")
    shapes = {"model.embed_tokens.weight": (n_vocab, WIDTH), "model.norm.weight": (WIDTH,)}
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
        "vocab_size": n_vocab,
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
    return max(n_vocab, N_FFN) * WIDTH * 2


def allowed_bytes(largest: int) -> float:
    """The memory a conversion may take at its peak, whose largest tensor is so large."""
    return 2 * largest + 300e6


class PeakMemory:
    """The most memory that one child of this process had at once: call it while it runs.

    The kernel keeps the peak of each process (Linux only), so it is enough to look now and then.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self.n_bytes = 0

    def __call__(self, *_: object) -> None:
        for child in psutil.Process().children(recursive=True):
            # One that ends meanwhile is not looked at again.
            with contextlib.suppress(psutil.Error, OSError):
                if self._module in child.cmdline():
                    status = Path(f"/proc/{child.pid}/status").read_text()
                    peaks = re.findall(r"VmHWM:\s+(\d+) kB", status)
                    self.n_bytes = max(self.n_bytes, *(int(peak) * 1024 for peak in peaks))
