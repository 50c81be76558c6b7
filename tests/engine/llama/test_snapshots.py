"""Snapshots of the real library: the same text after a restart, and only of the same model."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.backend import ContextParameters, LoadParameters, Model
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.fingerprint import model_fingerprint, state_fingerprint
from wiz_kernel_ext.engine.llama.backend import LlamaBackend
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.engine.snapshots import Snapshots, SnapshotStore
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo

QUESTION = "what is it that makes a long question long? " * 10


@pytest.fixture(scope="module")
def model(tiny_gguf: Path) -> Iterator[Model]:
    model = LlamaBackend().load(str(tiny_gguf), LoadParameters(), lambda _: True)
    yield model
    model.close()


class Process:
    """A context as a process has it; another one on the same folder is the next process."""

    def __init__(
        self,
        model: Model,
        folder: Path | None,
        *,
        pool: int = 2048,
        kv_type: str = "f32",
        flash: bool = False,
    ) -> None:
        parameters = ContextParameters(
            pool_size=pool,
            sequence_ids=4,
            batch_size=64,
            threads=1,
            kv_type=kv_type,
            flash_attention=flash,
        )
        self.context = model.create_context(parameters)
        self.chat = ChatEncoder(model)
        self.store = SnapshotStore(folder) if folder else None
        snapshots = None
        if self.store:
            fingerprint = state_fingerprint("model", parameters, {})
            snapshots = Snapshots(self.store, fingerprint, model.facts.n_vocab)
        self.engine = Engine(
            model,
            self.context,
            context_size=1024,
            slots=2,
            sequence_ids=4,
            batch_size=64,
            seed=None,
            clock=time.monotonic,
            parking_bytes=1 << 20,
            snapshots=snapshots,
        )

    def ask(self, *messages: str, owner: str | None = "ana") -> AnswerInfo:
        if self.store and owner:
            (self.store._folder / owner).mkdir(exist_ok=True)
        turns = [
            ChatMessage(role="assistant" if i % 2 else "user", content=text)
            for i, text in enumerate(messages)
        ]
        ends: list[AnswerInfo | WizError] = []
        self.engine.submit(
            self.chat.encode(turns),
            PromptOptions(temperature=0.0, max_tokens=24),
            Listener(on_event=lambda _: None, on_end=ends.append),
            owner=owner,
        )
        while self.engine.is_busy:
            self.engine.step()
        (info,) = ends
        assert isinstance(info, AnswerInfo), info
        return info

    def end(self) -> None:
        self.engine.close()
        self.context.close()
        if self.store:
            self.store.close()


@pytest.mark.parametrize(("kv_type", "flash"), [("f32", False), ("f16", False), ("f16", True)])
def test_the_greedy_text_after_a_restart_is_the_one_without(
    model: Model, tmp_path: Path, kv_type: str, flash: bool
) -> None:
    plain = Process(model, None, kv_type=kv_type, flash=flash)
    first = plain.ask(QUESTION)
    second = plain.ask(QUESTION, first.text, "and why?")
    plain.end()
    process = Process(model, tmp_path, kv_type=kv_type, flash=flash)
    assert process.ask(QUESTION).text == first.text
    process.end()
    process = Process(model, tmp_path, kv_type=kv_type, flash=flash, pool=1024)
    again = process.ask(QUESTION, first.text, "and why?")
    process.end()
    assert again.text == second.text
    assert again.usage.n_cached_tokens == second.usage.n_cached_tokens > 100


def test_a_snapshot_cut_in_the_middle_of_the_copy_is_read_anew(
    model: Model, tmp_path: Path
) -> None:
    process = Process(model, tmp_path)
    first = process.ask(QUESTION)
    process.end()
    (file,) = tmp_path.rglob("*.kv")
    os.truncate(file, file.stat().st_size // 2)
    process = Process(model, tmp_path)
    again = process.ask(QUESTION)
    process.end()
    assert (again.text, again.usage.n_cached_tokens) == (first.text, 0)


def test_another_kind_of_cells_finds_nothing_and_leaves_what_is_there(
    model: Model, tmp_path: Path
) -> None:
    for kv_type in ("f32", "f16"):
        process = Process(model, tmp_path, kv_type=kv_type)
        assert process.ask(QUESTION).usage.n_cached_tokens == 0
        process.end()
    assert len(list(tmp_path.rglob("*.kv"))) == 2


def test_what_is_written_while_the_engine_rests_is_one_after_the_other(
    model: Model, tmp_path: Path
) -> None:
    process = Process(model, tmp_path)
    for owner in "abc":
        process.ask(f"{owner} {QUESTION}", owner=owner)
    n = 1
    while process.engine.write_one():
        n += 1
    assert n >= 3
    assert process.store
    process.store.wait()
    assert len(list(tmp_path.rglob("*.kv"))) == 3
    process.end()


def test_a_model_is_its_contents_and_not_its_path(tiny_gguf: Path, tmp_path: Path) -> None:
    copy, link = tmp_path / "copy.gguf", tmp_path / "link.gguf"
    shutil.copy2(tiny_gguf, copy)
    link.symlink_to(copy)
    assert model_fingerprint(tiny_gguf) == model_fingerprint(copy) == model_fingerprint(link)


def test_other_weights_vocabularies_and_times_are_other_models(
    tiny_gguf: Path, tmp_path: Path
) -> None:
    known = {model_fingerprint(tiny_gguf)}
    for i, shape in enumerate([Shape(seed=1), Shape(n_vocab=600), Shape(chat_template=None)]):
        path = write_tiny_gguf(tmp_path / f"{i}.gguf", shape)
        stat = tiny_gguf.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        known.add(model_fingerprint(path))
    copy = tmp_path / "copy.gguf"
    shutil.copy2(tiny_gguf, copy)
    os.utime(copy, (1, 1))
    known.add(model_fingerprint(copy))
    assert len(known) == 5


def test_what_a_state_depends_on_is_in_its_fingerprint_and_what_not_is_not() -> None:
    def fingerprint(model: str = "m", version: str = "1", **changed: object) -> str:
        given: dict[str, object] = {
            **{"pool_size": 10, "sequence_ids": 2, "batch_size": 5, "threads": 1},
            **changed,
        }
        return state_fingerprint(model, ContextParameters(**given), {"llama_cpp": version})  # type: ignore[arg-type]

    same = fingerprint()
    assert same == fingerprint(pool_size=20, sequence_ids=3, batch_size=6, threads=2)
    others = {
        fingerprint("n"),
        fingerprint(version="2"),
        fingerprint(kv_type="q8_0"),
        fingerprint(flash_attention=True),
    }
    assert len(others | {same}) == 5
