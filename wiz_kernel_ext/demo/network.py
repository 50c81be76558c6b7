"""The network, in torch: a small Llama (RMS norm, rotary positions, grouped queries, SwiGLU).

Parameter names are the Hugging Face ones, which is where the exporter's names come from.
"""

# torch is untyped here: the project is checked without the [demo] extra
# mypy: allow-subclassing-any
from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the defaults are the shipped model's."""

    vocabulary: int = 1536
    width: int = 256
    layers: int = 5
    heads: int = 8
    kv_heads: int = 4
    feed_forward: int = 512
    context: int = 2048
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class RMSNorm(nn.Module):
    """Root-mean-square norm with a learned scale."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Scale x (…, width) to unit mean square."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward, each on a normed residual stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, kv_width = shape.width, shape.kv_heads * shape.head_width
        self.input_layernorm = RMSNorm(width, shape.norm_eps)
        self.post_attention_layernorm = RMSNorm(width, shape.norm_eps)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, kv_width, bias=False)
        self.v_proj = nn.Linear(width, kv_width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.gate_proj = nn.Linear(width, shape.feed_forward, bias=False)
        self.up_proj = nn.Linear(width, shape.feed_forward, bias=False)
        self.down_proj = nn.Linear(shape.feed_forward, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Return the residual stream (batch, time, width) after this layer."""
        batch, time, width = x.shape
        shape = self.shape
        h = self.input_layernorm(x)
        q = self.q_proj(h).view(batch, time, shape.heads, -1).transpose(1, 2)
        k = self.k_proj(h).view(batch, time, shape.kv_heads, -1).transpose(1, 2)
        v = self.v_proj(h).view(batch, time, shape.kv_heads, -1).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = shape.heads // shape.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(attended.transpose(1, 2).reshape(batch, time, width))
        h = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Llama(nn.Module):
    """The whole network; input and output embeddings are tied."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.width, shape.norm_eps)
        half = torch.arange(0, shape.head_width, 2).float() / shape.head_width
        angles = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-half)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self._initialize()

    def _initialize(self) -> None:
        for name, parameter in self.named_parameters():
            if "embed" in name:
                nn.init.normal_(parameter, std=0.02)
            elif parameter.dim() == 2:
                into_residual = "o_proj" in name or "down_proj" in name
                std = (0.35 if into_residual else 0.7) * parameter.shape[1] ** -0.5
                nn.init.normal_(parameter, std=std)

    def hidden(self, ids: Tensor) -> Tensor:
        """Return the last normed states (batch, time, width) for token ids (batch, time)."""
        x = self.embed_tokens(ids)
        time = ids.shape[1]
        for block in self.layers:
            x = block(x, self.cos[:time], self.sin[:time])
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return a score per token of the vocabulary for states (…, width)."""
        return hidden @ self.embed_tokens.weight.t()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions to x (batch, heads, time, head width), halves paired as in Llama."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)
