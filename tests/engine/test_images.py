"""Images in prompts, in an engine of arithmetic: who shares cells, and what is computed of them."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from tests.engine.fake_backend import FakeClock, FakeContext, FakeModel, answer_of
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.drafting import Wanted
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.images import Image, image_of
from wiz_kernel_ext.engine.prompt_lookup import PromptLookup
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.errors import BadRequest, ContextOverflow, NotSupported
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo

N_PIECES = 24
TEMPLATE = "{% for m in messages %}<user>{{ m.content }}{% endfor %}</s>"


def image(name: str, projector: str = "p") -> Image:
    """An image of tokens around pieces; the fake context computes with one number of each."""
    start = 300 + zlib.crc32(f"{name} {projector}".encode()) % 30_000
    pieces = np.arange(start, start + N_PIECES, dtype=np.float32).reshape(N_PIECES, 1)
    return image_of([[60], pieces, [62]], projector, name.encode())


def read(data: bytes) -> Image:
    return image(data.decode())


def ask(text: str, *images: bytes) -> ChatMessage:
    return ChatMessage(role="user", content=text, images=list(images))


class Asked:
    """An engine, and a prompt after the other, each to its end."""

    def __init__(self, *, exact: bool = False, size: int = 512, batch: int = 16) -> None:
        self.model = FakeModel(chat_template=TEMPLATE)
        self.chat = ChatEncoder(self.model)
        self.clock = FakeClock()
        self.contexts = [FakeContext(1024, clock=self.clock)]
        self.engine = Engine(
            self.model,
            self.contexts[0],
            context_size=size,
            slots=4,
            sequence_ids=8,
            batch_size=batch,
            seed=1,
            clock=self.clock,
            make_exact=self._exact if exact else None,
            reproducible=exact,
        )

    def _exact(self, _: int) -> FakeContext:
        self.contexts.append(FakeContext(1024, clock=self.clock))
        return self.contexts[-1]

    def submit(self, message: ChatMessage) -> tuple[list[int], list[Any]]:
        """What the model reads, and where the answer will be."""
        prompt_read = self.chat.prompt([message], read=read)
        tokens, rows = prompt_read.tokens, prompt_read.images
        ends: list[Any] = []
        listener = Listener(on_event=lambda _: None, on_end=ends.append)
        self.engine.submit(tokens, PromptOptions(max_tokens=8), listener, images=rows)
        return [int(rows[i][0]) if i in rows else t for i, t in enumerate(tokens)], ends

    def answer(self, message: ChatMessage) -> AnswerInfo:
        known, ends = self.submit(message)
        while self.engine.is_busy:
            self.engine.step()
        (info,) = ends
        assert info.text == answer_of(known, 8)
        return info  # type: ignore[no-any-return]


@pytest.mark.parametrize("exact", [False, True])
def test_the_same_image_shares_its_cells_and_another_does_not(exact: bool) -> None:
    asked = Asked(exact=exact)
    text = "what is this animal, and where does it live, and why?"
    assert asked.answer(ask(text, b"cat")).usage.n_cached_tokens == 0
    again = asked.answer(ask(text + " And then?", b"cat"))
    other = asked.answer(ask(text, b"dog"))
    assert again.usage.n_cached_tokens >= N_PIECES
    assert other.usage.n_cached_tokens < N_PIECES
    assert again.usage.n_prompt_tokens > N_PIECES


def test_another_projector_makes_other_pieces_of_the_same_image() -> None:
    assert image("cat", "p").ids == image("cat", "p").ids
    pieces = {i for one in (image("cat", "p"), image("cat", "q")) for i in one.ids if i < 0}
    assert len(pieces) == 2 * N_PIECES
    assert all(-(2**31) <= piece < 0 for piece in pieces)


def test_several_prompts_with_images_are_read_side_by_side() -> None:
    asked = Asked(batch=7)
    wanted = [
        asked.submit(ask(f"the {name} here: <image>, seen?", name.encode()))
        for name in ("cat", "dog", "cow")
    ]
    while asked.engine.is_busy:
        asked.engine.step()
    assert [ends[0].text for _, ends in wanted] == [answer_of(known, 8) for known, _ in wanted]


def test_images_stand_where_the_text_says_and_the_others_in_front() -> None:
    chat, cat, dog = ChatEncoder(FakeModel(chat_template=TEMPLATE)), image("cat"), image("dog")
    prompt_read = chat.prompt([ask("a <image> b", b"cat", b"dog")], read=read)
    tokens, rows = prompt_read.tokens, prompt_read.images
    text = [ord(c) for c in "a "]
    start = tokens.index(60)
    assert tokens[start:] == [*cat.ids, *text, *dog.ids, *map(ord, " b"), 257]
    assert [rows[place] for place in sorted(rows)] == [*cat.rows, *dog.rows]
    assert all(tokens[place] < 0 for place in rows)


def test_a_mark_without_an_image_is_text() -> None:
    chat, text = ChatEncoder(FakeModel(chat_template=TEMPLATE)), "a <image> b"
    assert chat.encode([ask(text)]) == [258, *map(ord, text), 257]


def test_a_template_that_leaves_an_image_out_is_refused() -> None:
    chat = ChatEncoder(FakeModel(chat_template="<user>hello</s>"))
    with pytest.raises(NotSupported, match="leaves out"):
        chat.prompt([ask("what?", b"cat")], read=read)


def test_a_prompt_that_ends_with_pieces_is_refused() -> None:
    chat = ChatEncoder(FakeModel())
    bare = Image([-5], [np.zeros(1, np.float32)])
    with pytest.raises(BadRequest, match="ends with an image"):
        chat.prompt([ask("look: <image>", b"cat")], read=lambda _: bare)


def test_an_image_counts_with_all_its_pieces_against_the_context() -> None:
    asked = Asked(size=32)
    with pytest.raises(ContextOverflow, match="tokens"):
        asked.answer(ask("what is it?", b"cat"))


def test_a_message_with_an_image_is_refused_where_nothing_reads_it() -> None:
    with pytest.raises(NotSupported, match="without a projector"):
        ChatEncoder(FakeModel(chat_template=TEMPLATE)).encode([ask("what?", b"cat")])


def test_a_guess_ends_before_an_image() -> None:
    lookup = PromptLookup()
    tokens = [1, 2, 3, 4, -9, -8, 7, 1, 2, 3]
    assert lookup.chance(0, tokens) > 0
    assert lookup.propose([Wanted(0, tokens, 4)]) == [[4]]
    lookup.chance(1, [1, 2, 3, -9, -8, 7, 1, 2, 3])
    assert lookup.propose([Wanted(1, [1, 2, 3, -9, -8, 7, 1, 2, 3], 4)]) == [[]]


def test_a_prompt_with_an_image_is_shown_with_a_mark_for_it() -> None:
    chat = ChatEncoder(FakeModel(chat_template=TEMPLATE))
    tokens = chat.prompt([ask("a <image> b", b"cat")], read=read).tokens
    assert chat.text_of(tokens) == "<user>a <<image>> b</s>"
