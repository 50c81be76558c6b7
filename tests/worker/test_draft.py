"""A model that guesses for another: loaded beside it, checked, at work, and given back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.engine import draft_model
from wiz_kernel_ext.engine.step_cost import StepCost
from wiz_kernel_ext.errors import Conflict, GgufInvalid, ModelFileNotFound, ModelLoadFailed
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

GREEDY: dict[str, Any] = {
    "temperature": 0, "max_tokens": 40, "allow_repeats": True, "messages": [], "lookup": False
}  # fmt: skip


@pytest.fixture(scope="session")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smaller model with the same vocabulary."""
    return write_tiny_gguf(tmp_path_factory.mktemp("half") / "half.gguf", Shape(n_layers=1, seed=5))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses are always worth it: what tiny models take says nothing."""
    monkeypatch.setattr(draft_model, "SURE", 0.0)
    monkeypatch.setattr(
        StepCost, "curve", lambda self, n, most: [1.0 + 0.01 * i for i in range(n, most + 1)]
    )


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("which", ["itself", "half"])
async def test_several_at_once_are_guessed_for(
    worker: LlamaWorker, tiny_gguf: Path, half: Path, which: str
) -> None:
    prompts = ["one", "two is more", "three, four"]
    draft = tiny_gguf if which == "itself" else half
    info = await worker.load_model(tiny_gguf, draft=draft)
    assert info.draft == str(draft)
    await worker.create_context(context_size=512)
    answers = await asyncio.gather(*(worker.prompt(prompt, **GREEDY) for prompt in prompts))
    used = [answer.usage for answer in answers]
    assert all(usage.n_drafted_tokens for usage in used)
    if which == "itself":
        assert any(usage.n_accepted_tokens for usage in used)


@pytest.mark.usefixtures("always")
async def test_what_is_guessed_changes_no_text_that_is_not_doubtful(worker: LlamaWorker) -> None:
    """The demo model's: of a random one nearly each token is as likely as another."""
    prompts = ["Count from 1 to 10.", "Count from 3 to 9."]
    await worker.load_model(model_path())
    await worker.create_context(context_size=512)
    alone = [await worker.prompt(prompt, **GREEDY) for prompt in prompts]
    await worker.unload_model()
    await worker.load_model(model_path(), draft=model_path())
    await worker.create_context(context_size=512)
    together = await asyncio.gather(*(worker.prompt(prompt, **GREEDY) for prompt in prompts))
    assert [str(answer) for answer in together] == [str(answer) for answer in alone]
    assert all(answer.usage.n_accepted_tokens for answer in together)


@pytest.mark.parametrize(
    ("shape", "why"),
    [(Shape(n_vocab=1024), "it has 1,024 tokens, and that 512"), (Shape(n_vocab=520), "its token")],
)
async def test_one_with_other_tokens_is_refused_and_the_model_stays_usable(
    worker: LlamaWorker, tiny_gguf: Path, tmp_path: Path, shape: Shape, why: str
) -> None:
    other = write_tiny_gguf(tmp_path / "other.gguf", shape)
    with pytest.raises(ModelLoadFailed, match=f"other.gguf cannot guess for tiny.gguf: {why}"):
        await worker.load_model(tiny_gguf, draft=other)
    assert (await worker.load_model(tiny_gguf)).draft == ""
    await worker.create_context(context_size=512)
    assert await worker.prompt("on it goes", **GREEDY)


async def test_a_bad_or_missing_one_is_a_typed_error_and_the_worker_lives_on(
    worker: LlamaWorker, tiny_gguf: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.gguf"
    await asyncio.to_thread(lambda: bad.write_bytes(tiny_gguf.read_bytes()[:2000]))
    with pytest.raises(GgufInvalid):
        await worker.load_model(tiny_gguf, draft=bad)
    with pytest.raises(ModelFileNotFound):
        await worker.load_model(tiny_gguf, draft=tmp_path / "none.gguf")
    assert not (await worker.load_model(tiny_gguf)).shared  # it was seen before anything was loaded


async def test_the_same_one_is_shared_another_is_a_conflict_and_all_are_given_back(
    worker: LlamaWorker, tiny_gguf: Path, half: Path
) -> None:
    await worker.load_model(tiny_gguf, draft=half)
    await worker.create_context(context_size=512)
    assert (await worker.load_model(tiny_gguf)).draft == str(half)
    assert (await worker.load_model(tiny_gguf, draft=half)).shared
    with pytest.raises(Conflict, match="draft is") as caught:
        await worker.load_model(tiny_gguf, draft=tiny_gguf)
    assert caught.value.details["difference"] == {"draft": [str(half), str(tiny_gguf)]}
    loaded = worker._host._loaded
    assert loaded is not None
    drafter, draft = loaded.drafter, loaded.draft
    await worker.create_context(context_size=256, reload=True)
    assert loaded.drafter is not drafter
    await worker.unload_model()
    assert draft._model is None  # type: ignore[union-attr]
    assert drafter._context._context is None  # type: ignore[union-attr]
