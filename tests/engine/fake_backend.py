"""The backend contract computed with arithmetic: what comes next depends on all tokens before.

A `FakeContext` keeps for every sequence the tokens that were really decoded into it, in cells that
are really shared, so a cache that hands out the wrong cells gives another answer, and one that
loses count runs out of cells. A cell knows with which adapters it was computed, and what comes next
depends on that too. Letters are tokens of one byte; 256 and up are control tokens.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.backend import (
    Aborted,
    Adapter,
    Batch,
    Context,
    ContextParameters,
    DecodeFailed,
    Model,
    ModelFacts,
    NoRoom,
    Saved,
)
from wiz_kernel_ext.engine.sampling import Stage
from wiz_kernel_ext.engine.vectors import EmbeddingContext, EmbeddingFacts, EmbeddingParameters

BOS, END, USER = 256, 257, 258
CONTROL = {BOS: "<s>", END: "</s>", USER: "<user>"}


def shift_of(adapters: Mapping[str, float]) -> int:
    """What adapters, given by their files' texts, make of every cell: 0 is none."""
    used = sorted((name, scale) for name, scale in adapters.items() if scale)
    return zlib.crc32(repr(used).encode()) | 1 if used else 0


def next_token(tokens: Sequence[int], shifts: Sequence[int] = ()) -> int:
    """The one continuation of `tokens`: a letter, or END about once in forty times.

    `shifts` are those of their cells.
    """
    n = zlib.crc32(b"".join(t.to_bytes(2, "big") for t in tokens))
    if any(shifts):
        n = zlib.crc32(b"".join(s.to_bytes(4, "big") for s in shifts), n)
    return END if n % 40 == 0 else 97 + n // 40 % 26


def answer_of(tokens: Sequence[int], n_most: int, looks_back: int = 0, shift: int = 0) -> str:
    """What a model that computes right answers to `tokens`, in at most `n_most` tokens.

    With `looks_back` what comes next depends on so many tokens only: such a model repeats itself.
    `shift` is that of its adapters.
    """
    known, text = list(tokens), ""

    def following() -> int:
        seen = known[-looks_back:]
        return next_token(seen, [shift] * len(seen))

    while len(text) < n_most and (token := following()) != END:
        known.append(token)
        text += chr(token)
    return text


class FakeModel(Model):
    """A vocabulary of bytes and three control tokens."""

    def __init__(
        self, *, chat_template: str | None = None, add_bos: bool = False, n_params: int = 10**9
    ) -> None:
        self.facts = ModelFacts(
            name="fake",
            description="arithmetic",
            architecture="fake",
            n_params=n_params,
            size_bytes=1,
            n_ctx_train=4096,
            n_vocab=256 + len(CONTROL),
            n_layers=1,
            chat_template=chat_template,
            bos=BOS,
            eos=END,
            add_bos=add_bos,
        )
        self.closed = False
        self.vectors = EmbeddingFacts(n_dims=4, pooling=None, is_causal=True, writes=True)
        self.adapters: list[FakeAdapter] = []

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        tokens: list[int] = []
        while text:
            found = [t for t, name in CONTROL.items() if parse_special and text.startswith(name)]
            tokens += found or text[0].encode()
            text = text[len(CONTROL[found[0]]) :] if found else text[1:]
        return tokens

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def text_of(self, token: int) -> str:
        return CONTROL.get(token, chr(token))

    def ends_generation(self, token: int) -> bool:
        return token == END

    def control_texts(self) -> list[str]:
        return list(CONTROL.values())

    def create_context(self, parameters: ContextParameters) -> Context:
        return FakeContext(parameters.pool_size)

    def embedding_facts(self) -> EmbeddingFacts:
        return self.vectors

    def text_frame(self) -> tuple[list[int], list[int]]:
        return ([BOS] if self.facts.add_bos else []), []

    def pair_frame(self) -> list[int]:
        return [END]

    def create_embedding_context(self, parameters: EmbeddingParameters) -> EmbeddingContext:
        from tests.engine.fake_embedding import FakeEmbeddingContext

        return FakeEmbeddingContext(parameters, self.vectors)

    def load_adapter(self, path: str) -> Adapter:
        adapter = FakeAdapter(Path(path).read_text())
        self.adapters.append(adapter)
        return adapter

    def close(self) -> None:
        self.closed = True


class FakeAdapter(Adapter):
    """An adapter that is what its file says."""

    def __init__(self, text: str) -> None:
        self.fingerprint = text
        self.is_closed = False

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


class FakeContext(Context):
    """Cells of one pool; a step takes `step_s` on `clock`, and each of its rows `row_s`."""

    def __init__(
        self, pool_size: int, *, can_cut: bool = True, clock: FakeClock | None = None
    ) -> None:
        self.pool_size = pool_size
        self.can_cut = self.can_abort = can_cut
        self.is_aborted = False
        self.looks_back = 0
        self.cells: dict[int, list[tuple[object, int, int]]] = {}
        self.adapters: list[FakeAdapter] = []
        self.shift = 0
        self.n_changes = 0
        self.batches: list[Batch] = []
        self.n_samplers = 0
        self.fail_next = False
        self.clock = clock
        self.row_s = 0.001
        self.step_s = 0.0
        self.threads: list[int] = []

    @property
    def n_used(self) -> int:
        return len({id(cell) for cells in self.cells.values() for cell, _, _ in cells})

    def tokens_of(self, sequence_id: int) -> list[int]:
        return [token for _, token, _ in self.cells.get(sequence_id, [])]

    def shifts_of(self, sequence_id: int) -> list[int]:
        return [shift for _, _, shift in self.cells.get(sequence_id, [])]

    def use_adapters(self, adapters: Sequence[tuple[Adapter, float]]) -> None:
        self.n_changes += 1
        self.adapters = [one for one, _ in adapters if isinstance(one, FakeAdapter)]
        self.shift = shift_of({one.fingerprint: scale for one, scale in adapters})

    def abort(self) -> None:
        self.is_aborted = True

    def decode(self, batch: Batch) -> None:
        if self.is_aborted:
            self.is_aborted = False
            raise Aborted
        if self.clock is not None:
            self.clock.now += self.step_s + self.row_s * len(batch)
        if self.fail_next:
            self.fail_next = False
            raise DecodeFailed("as asked")
        if self.n_used + len(batch) > self.pool_size:
            raise NoRoom
        assert not any(adapter.is_closed for adapter in self.adapters)
        self.batches.append(batch)
        self._known: dict[int, list[int]] = {}
        self._shifts: dict[int, list[int]] = {}
        self._allowed: dict[int, list[int]] = {}
        for row, (token, position, sequence_id) in enumerate(
            zip(batch.tokens, batch.positions, batch.sequence_ids, strict=True)
        ):
            cells = self.cells.setdefault(sequence_id, [])
            assert position == len(cells), "a sequence must go on where it ends"
            # Of a piece of an image its embedding counts, which is one number here.
            image = batch.embeddings.get(row)
            cells.append((object(), token if image is None else int(image[0]), self.shift))
            if row in batch.outputs:
                self._known[row] = self.tokens_of(sequence_id)[-self.looks_back :]
                self._shifts[row] = self.shifts_of(sequence_id)[-self.looks_back :]

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        assert self.can_cut
        assert len(self.cells.get(target, [])) == start
        self.cells.setdefault(target, []).extend(self.cells[source][start:end])

    def cut(self, sequence_id: int, start: int) -> bool:
        if start and not self.can_cut:
            return False
        del self.cells.get(sequence_id, [])[start:]
        return True

    def can_resume(self, sequence_id: int, position: int) -> bool:
        return True

    def saved_bytes(self, sequence_id: int) -> int:
        return 10 * len(self.tokens_of(sequence_id))

    def save(self, sequence_id: int) -> Saved:
        data = b"".join(
            token.to_bytes(5, "big", signed=True) + shift.to_bytes(5, "big")
            for _, token, shift in self.cells.get(sequence_id, [])
        )
        return Saved(bytearray(data), len(data))

    def restore(self, sequence_id: int, saved: Saved) -> bool:
        assert not self.cells.get(sequence_id)
        data = bytes(saved.data)
        starts = range(0, len(data), 10)
        if self.n_used + len(starts) > self.pool_size:
            return False
        self.cells[sequence_id] = [
            (
                object(),
                int.from_bytes(data[i : i + 5], "big", signed=True),
                int.from_bytes(data[i + 5 : i + 10], "big"),
            )
            for i in starts
        ]
        return True

    def clear(self) -> None:
        self.cells.clear()

    def make_sampler(self, stages: Sequence[Stage]) -> Any:
        self.n_samplers += 1
        return list(stages)

    def free_sampler(self, sampler: Any) -> None:
        self.n_samplers -= 1

    def accept(self, sampler: Any, tokens: Sequence[int]) -> None:
        pass

    def sample(self, sampler: Any, row: int) -> int:
        token, allowed = self._following(row), self._allowed.get(row)
        if allowed is None or token in allowed:
            return token
        return allowed[zlib.crc32(repr(self._known[row]).encode()) % len(allowed)]

    def restrict(self, row: int, mask: npt.NDArray[np.uint32]) -> None:
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
        self._allowed[row] = [int(token) for token in np.flatnonzero(bits)]

    def logprobs(self, row: int) -> npt.NDArray[np.float32]:
        n_vocab = 256 + len(CONTROL)
        chances = np.full(n_vocab, 0.1 / (n_vocab - 1), np.float32)
        chances[self.likeliest(row)[0]] = 0.9
        return np.log(chances)

    def likeliest(self, row: int) -> tuple[int, float]:
        return self._following(row), 0.9

    def _following(self, row: int) -> int:
        return next_token(self._known[row], self._shifts[row])

    def set_threads(self, threads: int) -> None:
        self.threads.append(threads)

    def close(self) -> None:
        self.cells.clear()


class FakeClock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
