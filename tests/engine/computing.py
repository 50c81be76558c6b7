"""Prompts computed into a cache over a fake context, as the engine does, without an engine."""

from __future__ import annotations

from tests.engine.fake_backend import FakeContext
from wiz_kernel_ext.engine.backend import Batch
from wiz_kernel_ext.engine.kv_memory import KvMemory, Start


def begin_and_compute(memory: KvMemory, context: FakeContext, tokens: list[int]) -> Start:
    """Begin a prompt and compute all of it; the right tokens must be in its cells then."""
    start = memory.begin(tokens)
    new = tokens[start.n_cached :]
    memory.make_room(len(new))
    memory.take(start.sequence_id, len(new))
    batch = Batch()
    batch.add(start.sequence_id, start.n_cached, new, n_outputs=1)
    context.decode(batch)
    memory.extend(start.sequence_id, new)
    assert context.tokens_of(start.sequence_id) == tokens
    return start
