"""Vectors by a real service: beside answers, many at once, kept nowhere, and on every face."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.homes import Home
from tests.support.tiny_bert import BertShape, write_tiny_bert
from wiz_kernel_ext.client import AsyncClient, Client
from wiz_kernel_ext.errors import BadRequest, NotSupported, OperationCancelled, OperationInterrupted
from wiz_kernel_ext.protocol.embedding import Embed, Embeddings, EmbeddingWarning, Rerank
from wiz_kernel_ext.protocol.events import Progress

TEXTS = [f"the cat number {n} sleeps in the old garden, and the dog {n % 7} runs" for n in range(9)]
NO_END = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}
pytestmark = pytest.mark.filterwarnings(
    "ignore::wiz_kernel_ext.protocol.embedding.EmbeddingWarning"
)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("models") / "bert.gguf")


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(
        tmp_path_factory.mktemp("models") / "ranker.gguf", BertShape(pooling="rank")
    )


def run(home: Home, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wiz_kernel_ext", *arguments],
        env={**os.environ, **home.environment}, input=text, capture_output=True,
        encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip


def test_an_embedding_model_is_loaded_in_one_step_and_answers_no_prompt(
    shared_client: Client, bert: Path
) -> None:
    loaded = shared_client.load(str(bert), session="reader")
    assert loaded.model.kind == "embedding"
    assert loaded.context.context_size == 64
    with pytest.raises(NotSupported, match="makes vectors of texts, and cannot answer") as caught:
        shared_client.prompt("Hello")
    assert "embed(texts)" in caught.value.hint
    # At once: no operation was begun for it.
    assert all(one.kind != "prompt" for one in shared_client.operations())
    found = shared_client.inspect(str(bert))
    assert (found.kind, found.problem) == ("embedding", "") and found.fit is not None
    (worker,) = [w for w in shared_client.status().workers if w.model_path == str(bert)]
    assert worker.kv_bytes == 0


def test_many_texts_come_in_order_and_whole(shared_client: Client, bert: Path) -> None:
    shared_client.load(str(bert))
    texts = [TEXTS[n % 9] + f" {n}" for n in range(1000)]
    vectors = shared_client.embed(texts)
    assert vectors.shape == (1000, 48) and vectors.dtype == np.float32
    chosen = [0, 255, 256, 511, 512, 777, 999]
    some = shared_client.embed([texts[n] for n in chosen])
    np.testing.assert_allclose(vectors[chosen], some, rtol=1e-3, atol=1e-4)
    assert len({row.tobytes() for row in vectors}) == 1000


def test_what_is_no_text_is_named_before_anything_is_computed(
    shared_client: Client, bert: Path
) -> None:
    shared_client.load(str(bert))
    n_before = len(shared_client.operations(1000))
    for texts, name in (
        ([], "texts"),
        (["a", 3], "texts[1]"),
        ([*["a"] * 300, ""], "texts[300]"),
    ):
        with pytest.raises(BadRequest) as caught:
            shared_client.embed(texts)
        assert caught.value.details["field"] == name
    assert len(shared_client.operations(1000)) == n_before


def test_vectors_are_made_while_a_prompt_is_answered_and_neither_waits_for_the_other(
    shared_client: Client,
) -> None:
    shared_client.load("demo", session="beside", context_size=1024)
    options: dict[str, Any] = {"session": "beside", "max_tokens": 300, "temperature": 0.0}
    answering = shared_client.send_prompt("Tell me a story.", logit_bias=NO_END, **options)
    embedding = shared_client.start(Embed(texts=TEXTS * 28))
    result = embedding.result(60)
    assert result.n == 252
    assert len(str(answering.result(60))) > 0
    shares = [
        (one.created_at, one.ended_at)
        for one in (shared_client.operation(answering.id), shared_client.operation(embedding.id))
    ]
    assert shares[1][0] < (shares[0][1] or 0)
    np.testing.assert_allclose(result.array()[:9], shared_client.embed(TEXTS), rtol=1e-2, atol=1e-2)


def test_a_chat_models_vectors_come_with_a_warning(shared_client: Client) -> None:
    shared_client.load("demo")
    with pytest.warns(EmbeddingWarning, match="not trained for vectors"):
        shared_client.embed(["a cat"])


def test_a_reranker_ranks(shared_client: Client, ranker: Path) -> None:
    assert shared_client.load(str(ranker)).model.kind == "reranker"
    found = shared_client.rerank("the cat", TEXTS)
    assert found.ranked_by == "reranker" and len(found) == 9
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.text == TEXTS[one.index] for one in found)
    with pytest.raises(NotSupported, match=r"rates texts|makes no vectors"):
        shared_client.embed(TEXTS)
    with pytest.raises(NotSupported, match="rates texts"):
        shared_client.prompt("Hello", messages=[])
    result = shared_client.request(Rerank(query="the cat", texts=TEXTS))
    assert [result.scores[one.index] for one in found] == pytest.approx(
        [one.score for one in found], rel=1e-4
    )


async def test_the_async_client_does_the_same(shared_client: Client, bert: Path) -> None:
    client = AsyncClient()
    await client.load(str(bert))
    both = await asyncio.gather(client.embed(TEXTS), client.embed(TEXTS))
    np.testing.assert_allclose(both[0], both[1], rtol=1e-3, atol=1e-4)
    assert (await client.rerank(TEXTS[4], TEXTS))[0].index == 4
    await client.close()


def test_a_cancel_ends_it_within_a_step(shared_client: Client, slow_model: Path) -> None:
    shared_client.load(str(slow_model), context_size=512)
    operation = shared_client.start(Embed(texts=["the cat sleeps in the garden, " * 12] * 2000))
    for event in operation.events():
        if isinstance(event, Progress):
            break
    began = time.monotonic()
    operation.cancel()
    with pytest.raises(OperationCancelled):
        operation.result(10)
    assert time.monotonic() - began < 1.0
    assert shared_client.operation(operation.id).state == "cancelled"


def test_vectors_are_kept_nowhere_and_their_operation_is(
    client: Client, home: Home, bert: Path
) -> None:
    client.load(str(bert))
    vectors = client.embed(TEXTS)
    (operation,) = [one for one in client.operations() if one.kind == "embed"]
    assert (operation.state, operation.title) == ("done", "vectors of 9 texts")
    attached = client.attach(operation.id).result()
    assert isinstance(attached, Embeddings)
    assert (attached.n, attached.dims, attached.vectors) == (9, 48, b"")
    client.stop()
    kept = b"".join(
        bytes(value) if isinstance(value, bytes) else str(value).encode()
        for (value,) in sqlite3.connect(home.places.database_file).execute(
            "SELECT log FROM operations WHERE kind = 'embed'"
        )
    )
    assert kept and vectors.tobytes()[:64] not in kept and len(kept) < 2000
    again = client.attach(operation.id).result()
    assert (again.n, again.vectors) == (9, b"")


def test_a_service_that_goes_away_meanwhile_is_told_of(
    client: Client, home: Home, slow_model: Path
) -> None:
    client.load(str(slow_model), context_size=512)
    operation = client.start(Embed(texts=["the cat sleeps in the garden, " * 12] * 500))
    for event in operation.events():
        if isinstance(event, Progress):
            break
    Client().stop()
    with pytest.raises(OperationInterrupted):
        operation.result(30)


def test_a_terminal_prints_vectors_and_rankings(home: Home, bert: Path) -> None:
    ran = run(home, "embed", "--model", str(bert), "--json", "--normalize", text="a cat\n\na dog\n")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["dims"] == 48 and found["pooling"] == "mean" and found["truncated"] == []
    assert np.linalg.norm(found["vectors"], axis=1) == pytest.approx([1, 1])
    ran = run(home, "embed", "a cat", "a dog")
    assert ran.returncode == 0, ran.stderr
    assert "2 vectors of 48 numbers · mean of" in ran.stdout and "a dog" in ran.stdout
    ran = run(home, "rerank", "a dog", "a cat", "a dog", "--json")
    assert ran.returncode == 0, ran.stderr
    ranked = json.loads(ran.stdout)
    assert [one["index"] for one in ranked["ranked"]] == [1, 0]
    assert ranked["rankedBy" if "rankedBy" in ranked else "ranked_by"] == "cosine"
    ran = run(home, "embed", text="\n")
    assert ran.returncode == 1 and "no texts" in ran.stderr
