"""Files that are GGUF and no model that answers are told for what they are, wherever one looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.gguf_bytes import (
    ARRAY,
    BOOL,
    TEXT,
    U32,
    Metadata,
    gguf_bytes,
    llama_metadata,
    small_model,
    tensor,
)
from wiz_kernel_ext.commands.inspection_tables import inspection_line
from wiz_kernel_ext.engine.gguf_header import check_gguf
from wiz_kernel_ext.errors import ModelLoadFailed
from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.gguf_file.kinds import kind_of, other_kind
from wiz_kernel_ext.models.fit import Use
from wiz_kernel_ext.models.header_facts import facts_of
from wiz_kernel_ext.models.inspection import inspect_file
from wiz_kernel_ext.models.places import FoundModel
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.service.load_check import LoadCheck

WEIGHTS = [tensor("token_embd.weight", [1024], 0, 0)]
DATA = bytes(4096)


def of(architecture: str, **more: tuple[int, Any]) -> Metadata:
    """A header's metadata; `__` in a name stands for a dot."""
    others = {key.replace("__", "."): value for key, value in more.items()}
    return {"general.architecture": (TEXT, architecture), **others}


def lora_of(base: str) -> Metadata:
    return {
        **of("llama", general__type=(TEXT, "adapter"), adapter__type=(TEXT, "lora")),
        "general.base_model.0.name": (TEXT, base),
    }


def part(number: int, count: int = 3) -> Metadata:
    counts = {"split.no": (U32, number), "split.count": (U32, count)}
    return {**llama_metadata(), **counts} if number == 0 else {**counts, **of("llama")}


KINDS: dict[str, tuple[Metadata, str, str]] = {
    "lora": (lora_of("Qwen 3 4B"), "is an adapter (LoRA) of Qwen 3 4B", "made for"),
    "mmproj": (of("clip", clip__has_vision_encoder=(BOOL, True)), "sees images", "language model"),
    "ears": (of("clip", clip__has_audio_encoder=(BOOL, True)), "that hears", "language model"),
    "by type": (of("llama", general__type=(TEXT, "mmproj")), "sees images", "language model"),
    "imatrix": ({"general.type": (TEXT, "imatrix")}, "importance matrix", "own .gguf"),
    "m-00002-of-00003": (part(1), "is part 2 of 3", "Load m-00001-of-00003.gguf"),
    "renamed": (part(2), "is part 3 of 3", "Load the first part"),
    "flux": (of("flux"), "makes pictures", "another program"),
}
READERS: dict[str, tuple[Metadata, str, str]] = {
    "bert": (of("bert", bert__pooling_type=(U32, 1)), "embedding", "makes vectors"),
    "nomic": (of("nomic-bert-moe"), "embedding", "makes vectors"),
    "not causal": (
        of("qwen3", qwen3__attention__causal=(BOOL, False), qwen3__pooling_type=(U32, 1)),
        "embedding",
        "makes vectors",
    ),
    "rerank": (of("qwen3", qwen3__pooling_type=(U32, 4)), "reranker", "rates texts"),
    "bert rerank": (of("bert", bert__pooling_type=(U32, 4)), "reranker", "rates texts"),
}


def written(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.gguf"
    path.write_bytes(gguf_bytes(KINDS[kind][0], WEIGHTS, DATA))
    if kind == "m-00002-of-00003":
        for number in (1, 3):
            (folder / f"m-{number:05d}-of-00003.gguf").write_bytes(small_model())
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_load_says_what_it_is_and_never_to_download_it_again(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind)
    _, what, hint = KINDS[kind]
    # Here and in the process that holds models, with or without a service.
    for look in (check_gguf, lambda path: LoadCheck().fit(path, CreateContext())):
        with pytest.raises(ModelLoadFailed) as caught:
            look(path)
        assert what in caught.value.message
        assert hint in caught.value.hint
        assert "ownload" not in caught.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_and_lists_say_it_too_and_not_that_it_fits(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind)
    found = inspect_file(path, Use())
    assert KINDS[kind][1] in found.problem
    assert found.fit is None
    line = inspection_line(found)
    assert KINDS[kind][1] in line and "fits" not in line
    facts = facts_of(FoundModel(name=kind, origin="models", paths=[path]), None)
    assert KINDS[kind][1] in facts.problem


@pytest.mark.parametrize("kind", READERS)
def test_what_only_reads_is_a_model_and_shown_as_what_it_is(tmp_path: Path, kind: str) -> None:
    metadata, expected, words = READERS[kind]
    path = tmp_path / f"{kind}.gguf"
    path.write_bytes(gguf_bytes(metadata, WEIGHTS, DATA))
    assert kind_of(check_gguf(path)) == expected
    assert LoadCheck().fit(path, CreateContext()).verdict == "fits"
    found = inspect_file(path, Use())
    assert (found.kind, found.problem) == (expected, "")
    assert words in inspection_line(found) and "fits" in inspection_line(found)
    assert facts_of(FoundModel(name=kind, origin="models", paths=[path]), None).problem == ""


@pytest.mark.parametrize("kind", READERS)
def test_what_only_reads_guesses_for_no_model(tmp_path: Path, kind: str) -> None:
    path, large = tmp_path / f"{kind}.gguf", tmp_path / "large.gguf"
    path.write_bytes(gguf_bytes(READERS[kind][0], WEIGHTS, DATA))
    large.write_bytes(gguf_bytes(llama_metadata(), WEIGHTS, DATA))
    refusals = (
        lambda: check_gguf(path, writes=True),
        lambda: LoadCheck().fit(large, CreateContext(), path),
    )
    for refuse in refusals:
        with pytest.raises(ModelLoadFailed, match="cannot answer"):
            refuse()


def test_a_vocabulary_has_no_tensors(tmp_path: Path) -> None:
    path = tmp_path / "ggml-vocab-llama.gguf"
    path.write_bytes(gguf_bytes(llama_metadata()))
    with pytest.raises(ModelLoadFailed, match="is only a vocabulary") as caught:
        check_gguf(path)
    assert "own .gguf" in caught.value.hint
    assert "only a vocabulary" in inspect_file(path, Use()).problem


@pytest.mark.parametrize(
    "metadata",
    [
        llama_metadata(),
        part(0),
        of("qwen3", qwen3__pooling_type=(U32, 3)),  # a decoder that also embeds
        of("qwen3", qwen3__pooling_type=(ARRAY, (U32, [1]))),
        of("llama", general__type=(TEXT, "model")),
        of("llama", general__type=(U32, 7), split__count=(TEXT, "3"), split__no=(TEXT, "1")),
        {"general.architecture": (U32, 3)},
    ],
)
def test_a_model_and_odd_metadata_are_no_other_kind(tmp_path: Path, metadata: Metadata) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(metadata, WEIGHTS, DATA))
    assert other_kind(path.name, read_file_header(path)) is None
    assert kind_of(read_file_header(path)) == "text"


def test_a_first_part_without_tensors_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "m-00001-of-00003.gguf"
    path.write_bytes(gguf_bytes(part(0)))
    assert other_kind(path.name, read_file_header(path)) is None
