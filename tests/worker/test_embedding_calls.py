"""Vectors and scores in-process, by real models: right, in order, beside answers, refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.tiny_bert import BertShape, write_tiny_bert
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.embedding import EmbeddingWork
from wiz_kernel_ext.errors import (
    BadRequest,
    ContextNotLoaded,
    ModelNotLoaded,
    NotSupported,
    OperationCancelled,
)
from wiz_kernel_ext.protocol.embedding import Embed, EmbeddingWarning, Rerank
from wiz_kernel_ext.protocol.events import Delta, Notice, Progress
from wiz_kernel_ext.protocol.requests import AnyRequest, SendPrompt
from wiz_kernel_ext.worker.embedding_calls import BY_COSINE, NOT_TRAINED
from wiz_kernel_ext.worker.llama_worker import LlamaWorker
from wiz_kernel_ext.worker.text_vectors import Texts

TEXTS = [
    "the cat sleeps in the garden",
    "a",
    "the old engine runs, and the dog knows it",
    "north of the cold river",
    "a model of memory writes on small paper, and reads it with the light of the house",
] * 7
NO_END = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}
pytestmark = pytest.mark.filterwarnings(
    "ignore::wiz_kernel_ext.protocol.embedding.EmbeddingWarning"
)


def reference(path: Path, texts: Sequence[str], pooling: int = -1) -> Any:
    """What llama-cpp-python's own way makes of the texts, one at a time; -1: as the file says."""
    import llama_cpp

    model = llama_cpp.Llama(
        str(path), embedding=True, pooling_type=pooling, n_ctx=512, n_batch=512, n_ubatch=512,
        verbose=False,
    )  # fmt: skip
    try:
        return np.array([model.embed(text) for text in texts])
    finally:
        model.close()


def least_cosine(found: Any, expected: Any) -> float:
    products = (found * expected).sum(axis=1)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float((products / lengths).min())


async def loaded(worker: LlamaWorker, path: Path | str, **context: Any) -> LlamaWorker:
    await worker.load_model(str(path))
    await worker.create_context(**context)
    return worker


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
async def test_an_encoder_is_loaded_and_makes_the_librarys_own_vectors(
    worker: LlamaWorker, tmp_path: Path, pooling: Any
) -> None:
    path = write_tiny_bert(tmp_path / "bert.gguf", BertShape(pooling=pooling))
    info = await worker.load_model(str(path))
    assert info.kind == "embedding" and info.notices == []
    assert (await worker.create_context()).context_size == 64
    found = await worker.embeddings(TEXTS)
    assert (found.n, found.dims, found.pooling) == (len(TEXTS), 48, pooling)
    assert found.notices == [] and found.truncated == []
    vectors = await worker.embed(TEXTS)
    assert vectors.dtype == np.float32 and vectors.flags.writeable
    np.testing.assert_array_equal(vectors, found.array())
    assert least_cosine(vectors, reference(path, TEXTS)) >= 0.9999


async def test_a_chat_models_vectors_are_the_mean_and_that_is_said(
    ready: LlamaWorker, tiny_gguf: Path
) -> None:
    found = await ready.embeddings(TEXTS, normalize=True)
    assert found.pooling == "mean" and found.notices == [NOT_TRAINED]
    np.testing.assert_allclose(np.linalg.norm(found.array(), axis=1), 1, rtol=1e-5)
    assert least_cosine(found.array(), reference(tiny_gguf, TEXTS, pooling=1)) >= 0.9999
    with pytest.warns(EmbeddingWarning, match="not trained for vectors"):
        await ready.embed(["a"])


async def test_a_long_text_in_pieces_has_the_vector_of_the_text_at_once(
    worker: LlamaWorker, tmp_path: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", Shape(n_ctx_train=4096))
    await loaded(worker, path, context_size=2000)
    texts = ["a b, " * 380, "z", "c d e. " * 250]
    found = await worker.embeddings(texts)
    assert found.truncated == [] and found.n_tokens > 1000
    import llama_cpp

    model = llama_cpp.Llama(
        str(path), embedding=True, pooling_type=1, n_ctx=4096, n_batch=4096, n_ubatch=4096,
        verbose=False,
    )  # fmt: skip
    expected = np.array([model.embed(text) for text in texts])
    model.close()
    assert least_cosine(found.array(), expected) >= 0.9999


async def test_what_is_too_long_is_cut_and_named(worker: LlamaWorker, tmp_path: Path) -> None:
    path = write_tiny_bert(tmp_path / "bert.gguf")
    await loaded(worker, path)
    long = "the cat " * 50
    found = await worker.embeddings(["a", long, "b", long])
    assert found.truncated == [1, 3]
    assert found.notices == ["Cut to the 64 tokens that the model reads: texts 1, 3."]
    short = await worker.embeddings(["the cat " * 31])
    assert least_cosine(found.array()[1:2], short.array()) >= 0.9999
    with pytest.warns(EmbeddingWarning, match="Cut to the 64 tokens"):
        await worker.embed([long])
    # Of many, that are sent in parts, too.
    many = await worker.embeddings(["a"] * 300 + [long])
    assert many.truncated == [300]
    with pytest.raises(BadRequest, match="at most 64 tokens"):
        await worker.create_context(context_size=65, reload=True)


async def test_a_reranker_scores_a_text_with_the_query(worker: LlamaWorker, tmp_path: Path) -> None:
    path = write_tiny_bert(tmp_path / "ranker.gguf", BertShape(pooling="rank"))
    assert (await worker.load_model(str(path))).kind == "reranker"
    await worker.create_context()
    texts = TEXTS[:5]
    found = await worker.rerank("the cat", texts)
    assert found.ranked_by == "reranker" and found.notices == []
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 5
    assert sorted(one.index for one in found) == [0, 1, 2, 3, 4]
    assert all(one.text == texts[one.index] for one in found)
    # The library's own score of what WordPiece makes of "query [SEP] text".
    joined = [f"the cat [SEP] {text}" for text in texts]
    expected = await _scores_of_pairs(path, joined)
    by_index = {one.index: one.score for one in found}
    np.testing.assert_allclose([by_index[i] for i in range(5)], expected, rtol=1e-4, atol=1e-5)
    # A text alone: the order of the others changes nothing.
    (alone,) = await worker.rerank("the cat", [texts[3]])
    assert alone.score == pytest.approx(by_index[3], rel=1e-4)
    with pytest.raises(NotSupported, match="makes no vectors"):
        await worker.embed(["a"])


async def _scores_of_pairs(path: Path, pairs: list[str]) -> list[float]:
    import llama_cpp

    model = llama_cpp.Llama(
        str(path), embedding=True, pooling_type=4, n_ctx=64, n_batch=64, n_ubatch=64, verbose=False
    )
    scores = []
    for pair in pairs:
        tokens = model.tokenize(pair.encode(), add_bos=True, special=True)
        model._batch.reset()
        model._batch.add_sequence(tokens, 0, True)
        model._ctx.decode(model._batch)
        scores.append(llama_cpp.llama_get_embeddings_seq(model._ctx.ctx, 0)[0])
    model.close()
    return scores


async def test_without_a_reranker_the_scores_are_cosines_and_that_is_said(
    worker: LlamaWorker, tmp_path: Path
) -> None:
    await loaded(worker, write_tiny_bert(tmp_path / "bert.gguf"))
    texts = TEXTS[:5]
    found = await worker.rerank("the cat", [*texts, "the cat"])
    assert found.ranked_by == "cosine" and found.notices == [BY_COSINE]
    assert found[0].index == 5 and found[0].score == pytest.approx(1.0)
    vectors = await worker.embed(["the cat", *texts], normalize=True)
    by_index = {one.index: one.score for one in found}
    expected = vectors[1:] @ vectors[0]
    assert [by_index[i] for i in range(5)] == pytest.approx([float(x) for x in expected], abs=1e-5)


async def test_an_embedding_model_answers_no_prompt(worker: LlamaWorker, tmp_path: Path) -> None:
    await loaded(worker, write_tiny_bert(tmp_path / "bert.gguf"))
    await worker.initialize_session()
    with pytest.raises(NotSupported, match="makes vectors of texts, and cannot answer") as caught:
        await worker.prompt("Hello")
    assert "embed(texts)" in caught.value.hint and "chat model" in caught.value.hint


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ([], "texts"),
        ("one", "texts"),
        (7, "texts"),
        (["a", ""], "texts[1]"),
        (["a", "b", None], "texts[2]"),
        (["a", 7], "texts[1]"),
        (["a", b"b"], "texts[1]"),
        ([*["a"] * 270, ""], "texts[270]"),
        ([*["a"] * 270, "  "], "texts[270]"),
    ],
)
async def test_what_is_no_text_is_named(
    worker: LlamaWorker, tmp_path: Path, texts: Any, name: str
) -> None:
    await loaded(worker, write_tiny_bert(tmp_path / "bert.gguf"))
    for ask in (worker.embed, lambda texts: worker.rerank("a", texts)):
        with pytest.raises(BadRequest) as caught:
            await ask(texts)
        assert caught.value.details["field"] == name


async def test_a_raw_request_is_checked_as_well(worker: LlamaWorker, tmp_path: Path) -> None:
    await loaded(worker, write_tiny_bert(tmp_path / "bert.gguf"))
    requests: list[AnyRequest] = [
        Embed(texts=["a", ""]),
        Rerank(query="a", texts=["a", ""]),
    ]
    for request in requests:
        with pytest.raises(BadRequest) as caught:
            await worker.request(request)
        assert caught.value.details["field"] == "texts[1]"
    with pytest.raises(BadRequest) as caught:
        await worker.request(Rerank(query="", texts=["a"]))
    assert caught.value.details["field"] == "query"


async def test_the_ladder_is_strict_here_too(worker: LlamaWorker, tiny_gguf: Path) -> None:
    with pytest.raises(ModelNotLoaded):
        await worker.embed(["a"])
    await worker.load_model(str(tiny_gguf))
    with pytest.raises(ContextNotLoaded):
        await worker.rerank("a", ["a"])


async def test_columns_are_lists_of_texts(worker: LlamaWorker, tmp_path: Path) -> None:
    await loaded(worker, write_tiny_bert(tmp_path / "bert.gguf"))
    expected = await worker.embed(TEXTS[:3])
    for texts in (np.array(TEXTS[:3]), tuple(TEXTS[:3]), (text for text in TEXTS[:3])):
        np.testing.assert_array_equal(await worker.embed(texts), expected)


async def test_vectors_and_answers_take_turns_and_both_come_out_right(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    await loaded(worker, tiny_gguf, context_size=512)
    options: dict[str, Any] = {"messages": [], "logit_bias": NO_END, "temperature": 0.0}
    alone = await worker.prompt("Hello", max_tokens=60, **options)
    expected = await worker.embed(TEXTS)
    operation = await worker.start(Embed(texts=TEXTS * 40))
    answering = asyncio.ensure_future(worker.prompt("Hello", max_tokens=60, **options))
    done_at: list[str] = []
    answering.add_done_callback(lambda _: done_at.append("answer"))
    result = await operation.result()
    done_at.append("vectors")
    answer = await answering
    assert answer == alone
    assert done_at == ["answer", "vectors"], "the answer waited for all vectors"
    assert least_cosine(result.array(), np.concatenate([expected] * 40)) >= 0.9999


async def test_progress_is_in_texts_and_a_cancel_ends_it_soon(ready: LlamaWorker) -> None:
    operation = await ready.start(Embed(texts=["the cat sleeps in the garden, " * 8] * 2000))
    steps = []
    async for event in operation.events():
        if isinstance(event, Progress):
            assert (event.stage, event.total) == ("embed", 2000.0)
            steps.append(event.done)
            operation.cancel()
    assert steps[0] < 2000 and len(steps) <= 3
    assert operation.state == "cancelled"
    with pytest.raises(OperationCancelled):
        await operation.result()
    assert len(await ready.embed(["a"])) == 1


async def test_cancelling_the_call_cancels_all_its_parts(
    ready: LlamaWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, begun, embed = asyncio.get_running_loop(), asyncio.Event(), ready._host.embed
    works = []

    def watched(texts: Texts, on_progress: Any, on_end: Any) -> EmbeddingWork:
        works.append(embed(texts, lambda n: loop.call_soon_threadsafe(begun.set), on_end))
        return works[-1]

    monkeypatch.setattr(ready._host, "embed", watched)
    embedding = asyncio.ensure_future(ready.embed(["the cat, " * 40] * 3000))
    await begun.wait()
    embedding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await embedding
    assert all(await ready._loop.call(lambda: [work.ended for work in works]))
    assert len(await ready.embed(["a"])) == 1


async def test_notices_come_on_the_way_too(ready: LlamaWorker) -> None:
    operation = await ready.start(Embed(texts=["a"]))
    told = [event.text async for event in operation.events() if isinstance(event, Notice)]
    assert told == [NOT_TRAINED]


async def test_unloading_refuses_while_there_is_work_and_ends_it_when_forced(
    ready: LlamaWorker,
) -> None:
    operation = await ready.start(Embed(texts=["the cat, " * 40] * 2000))
    async for event in operation.events():
        if isinstance(event, Progress):
            break
    with pytest.raises(Exception, match="making vectors"):
        await ready.unload_model()
    await ready.unload_model(force=True)
    with pytest.raises(OperationCancelled, match="unloaded"):
        await operation.result()


async def test_the_context_for_vectors_is_given_back_when_there_is_nothing_to_do(
    ready: LlamaWorker,
) -> None:
    first = await ready.embed(TEXTS[:2])

    def has_context() -> bool:
        loaded = ready._host._loaded
        assert loaded is not None and loaded.vectors is not None
        return loaded.vectors._embedder is not None

    assert has_context()
    await ready._loop.call(ready._host.at_rest)
    assert not has_context()
    np.testing.assert_array_equal(await ready.embed(TEXTS[:2]), first)


async def test_the_demo_model_makes_vectors_and_still_answers(worker: LlamaWorker) -> None:
    await loaded(worker, "demo")
    await worker.initialize_session()
    vectors = await worker.embed(["Hello, how are you?", "Hello! How are you?", "seven sheep"])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2]
    operation = await worker.start(SendPrompt(prompt="Hello"))
    assert [event async for event in operation.events() if isinstance(event, Delta)]
