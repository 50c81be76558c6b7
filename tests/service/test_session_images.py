"""The images of conversations stay with their questions, the latest ones."""

from __future__ import annotations

from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.service.session_images import SessionImages


def question(operation_id: str | None) -> SessionMessage:
    return SessionMessage(role="user", content="<image>?", operation_id=operation_id)


def test_a_question_has_its_images_and_its_answer_has_none() -> None:
    images = SessionImages()
    images.keep("a", [b"1"])
    assert images.of(question("a")) == [b"1"]
    assert images.of(question("b")) == images.of(question(None)) == []
    assert images.of(SessionMessage(role="assistant", content="", operation_id="a")) == []


def test_the_oldest_images_make_room() -> None:
    images = SessionImages(most_bytes=10)
    for name in "abc":
        images.keep(name, [b"1234"])
    assert images.of(question("a")) == []
    assert images.of(question("b")) == images.of(question("c")) == [b"1234"]
    images.keep("d", [b"x" * 11])
    assert images.of(question("d")) == []
