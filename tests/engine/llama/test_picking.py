"""Tokens are picked from the few likeliest as the library picks them from all."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp as c
import numpy as np
import pytest

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.backend import Batch, ContextParameters, LoadParameters
from wiz_kernel_ext.engine.llama import picking
from wiz_kernel_ext.engine.llama.backend import LlamaBackend, LlamaContext
from wiz_kernel_ext.engine.llama.picking import few_likeliest
from wiz_kernel_ext.engine.sampling import plan_sampling
from wiz_kernel_ext.protocol.options import PromptOptions

N_VOCAB = 16_011


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Any:
    shape = Shape(n_vocab=N_VOCAB, width=64, n_heads=4, n_kv_heads=2, n_layers=1, n_ffn=64)
    path = write_tiny_gguf(tmp_path_factory.mktemp("model") / "wide.gguf", shape)
    model = LlamaBackend().load(str(path), LoadParameters(), lambda _: True)
    context = model.create_context(
        ContextParameters(pool_size=512, sequence_ids=4, batch_size=64, threads=1)
    )
    yield context
    context.close()
    model.close()


@pytest.mark.parametrize("n", [64 * 40, 64 * 40 + 1, 49_152, 152_064, 262_144 - 1])
@pytest.mark.parametrize("k", [1, 2, 40])
def test_the_few_likeliest_are_those_of_a_whole_sort(n: int, k: int) -> None:
    chance = np.random.default_rng(n + k)
    for logits in (
        chance.standard_normal(n).astype(np.float32),
        np.sort(chance.standard_normal(n)).astype(np.float32),
        np.full(n, -np.inf, np.float32),
    ):
        logits[n - 1] = 7.0
        found, values = few_likeliest(logits, k)
        assert len(set(found.tolist())) == k
        assert logits[found].tolist() == values.tolist() == np.sort(logits)[::-1][:k].tolist()


@pytest.mark.parametrize(
    "options",
    [
        PromptOptions(),
        PromptOptions(temperature=0),
        PromptOptions(temperature=1.5, top_k=200, top_p=1.0, min_p=0.0),
        PromptOptions(top_k=1),
        PromptOptions(xtc_probability=0.5, typical_p=0.9),
        PromptOptions(mirostat=2),
        PromptOptions(top_k=0),
        PromptOptions(repeat_penalty=1.3),
    ],
    ids=repr,
)
def test_the_same_token_for_the_same_seed_as_the_librarys_own_loop(
    context: LlamaContext, options: PromptOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picking, "LEAST_VOCAB", 0)
    picked: list[list[int]] = []
    for own in (True, False):
        sampling = plan_sampling(
            options, seed=7, context_size=512, n_vocab=N_VOCAB, token_of=lambda _: None
        )
        sampler = context.make_sampler(sampling.stages)
        tokens = [5, 6, 7]
        for _ in range(30):
            batch, past = Batch(), len(tokens) - 1 if len(tokens) > 3 else 0
            batch.add(0, past, tokens[past:], n_outputs=1)
            context.decode(batch)
            row = len(batch) - 1
            if own:
                tokens.append(context.sample(sampler, row))
            else:
                tokens.append(c.llama_sampler_sample(sampler.chain, context._context, row))
        context.free_sampler(sampler)
        context.cut(0, 0)
        picked.append(tokens)
    assert picked[0] == picked[1]
    if options.temperature != 0 and options.top_k != 1:
        assert len(set(picked[0])) > 10


def test_it_would_not_be_the_same_with_the_few_in_another_order(context: LlamaContext) -> None:
    """The twin: that the order counts is why it is the library's own."""
    chain = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
    c.llama_sampler_chain_add(chain, c.llama_sampler_init_dist(3))
    picked = []
    for order in (1, -1):
        few = np.zeros(40, [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        few["id"], few["logit"] = np.arange(40)[::order], np.linspace(2, 0, 40)[::order]
        array = c.llama_token_data_array()
        array.data = ctypes.cast(few.ctypes.data, ctypes.POINTER(c.llama_token_data))
        array.size, array.selected, array.sorted = 40, -1, False
        c.llama_sampler_reset(chain)
        c.llama_sampler_apply(chain, ctypes.byref(array))
        picked.append(int(array.data[array.selected].id))
    c.llama_sampler_free(chain)
    assert picked[0] != picked[1]
