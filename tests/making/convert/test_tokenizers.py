"""Token ids are llama.cpp's and the checkpoint's alike, or there is no conversion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from tests.making.convert import tokenizer_files as files
from tests.making.convert.checkpoints import (
    decoder_weights,
    safetensors,
    write_bert,
    write_checkpoint,
)
from tests.making.convert.running import converted, tokenize
from wiz_kernel_ext.errors import ConversionFailed, ConversionRefused
from wiz_kernel_ext.making.convert.probes import composed, probes
from wiz_kernel_ext.making.convert.verification import llama_cpp_ids
from wiz_kernel_ext.making.convert.vocabulary import pre_tokenizer_candidates


def checkpoint_with(folder: Path, tokenizer: dict[str, Any], **settings: Any) -> Path:
    """A llama checkpoint with that tokenizer.json."""
    write_checkpoint(folder, "smollm")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((folder / "config.json").read_text())
    config["vocab_size"] = 2048
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "model.safetensors").write_bytes(safetensors(decoder_weights(config)))
    return folder


def fields(path: Path) -> dict[str, Any]:
    """The keys of a GGUF."""
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def reference_ids(tokenizer: dict[str, Any], texts: list[str]) -> list[list[int]]:
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_str(json.dumps(tokenizer))
    return [e.ids for e in encoder.encode_batch(texts, add_special_tokens=False)]


@pytest.mark.parametrize(
    ("name", "tokenizer", "pre"),
    [
        ("llama3", files.byte_level(files.LLAMA3), "llama-bpe"),
        ("qwen2", files.byte_level(files.QWEN2, nfc=True), "qwen2"),
        ("smollm", files.byte_level(digits=True), "smollm"),
        ("gpt2", files.byte_level(), "gpt-2"),
        ("gpt4o", files.byte_level(files.GPT4O), "gpt-4o"),
        pytest.param("tekken", files.byte_level(files.TEKKEN), "tekken", marks=pytest.mark.slow),
        ("sentencepiece", files.sentence_piece(), "default"),
        ("metaspace", files.sentence_piece(metaspace=True), "default"),
        ("gemma", files.sentence_piece(prefix=False, gemma=True), "default"),
    ],
)
def test_ids_are_equal_on_more_than_300_probes(
    name: str, tokenizer: dict[str, Any], pre: str, tmp_path: Path
) -> None:
    report = converted(checkpoint_with(tmp_path / "m", tokenizer), tmp_path / "m.gguf")
    assert fields(tmp_path / "m.gguf")["tokenizer.ggml.pre"] == pre
    assert report.n_probes >= 300
    texts = composed(probes())
    expected = reference_ids(tokenizer, texts)
    found = llama_cpp_ids(tmp_path / "m.gguf", texts)  # by the real child process
    n_equal = sum(ids == others for ids, others in zip(expected, found, strict=True))
    assert n_equal >= 300
    # Where llama.cpp is known to differ, though it is the right one, that is said, not hidden.
    limit = {"gpt4o": "combining marks", "tekken": "combining marks", "metaspace": "before text"}
    said = [word for word in set(limit.values()) if any(word in n for n in report.notices)]
    assert said == ([limit[name]] if name in limit else [])
    assert (n_equal == len(texts)) == (name not in limit)


@pytest.mark.parametrize(("name", "has_notice"), [("Phi-3-mini", False), ("other", True)])
def test_phi_3s_special_tokens_swallow_white_space_where_llama_cpp_can(
    name: str, has_notice: bool, tmp_path: Path
) -> None:
    folder = checkpoint_with(tmp_path / "m", files.sentence_piece(phi3=True))
    report = converted(folder, tmp_path / "m.gguf", name=name)
    assert report.name == name
    assert any("swallow white space" in notice for notice in report.notices) == has_notice


def test_an_unknown_way_of_splitting_is_refused_and_not_guessed(tmp_path: Path) -> None:
    odd = files.byte_level(r"\p{L}{1,3}|\p{N}+|[^\p{L}\p{N}]")
    folder = checkpoint_with(tmp_path / "m", odd)
    with pytest.raises(ConversionRefused, match="does not split text as its tokenizer") as caught:
        converted(folder, tmp_path / "m.gguf")
    assert caught.value.details["file"] == "tokenizer.json"
    assert not (tmp_path / "m.gguf").exists()


def test_candidates_begin_with_what_the_expression_says() -> None:
    first = {
        name: pre_tokenizer_candidates(source)[0]
        for name, source in {
            "llama3": files.byte_level(files.LLAMA3),
            "qwen2": files.byte_level(files.QWEN2),
            "smollm": files.byte_level(digits=True),
            "gpt2": files.byte_level(),
            "gpt4o": files.byte_level(files.GPT4O),
            "tekken": files.byte_level(files.TEKKEN),
        }.items()
    }
    assert first == {
        "llama3": "llama-bpe",
        "qwen2": "qwen2",
        "smollm": "smollm",
        "gpt2": "gpt-2",
        "gpt4o": "gpt-4o",
        "tekken": "tekken",
    }


def test_the_real_child_tokenizes_as_this_process_does(tmp_path: Path) -> None:
    folder = checkpoint_with(tmp_path / "m", files.byte_level(files.QWEN2))
    converted(folder, tmp_path / "m.gguf")
    texts = probes()[:50]
    assert llama_cpp_ids(tmp_path / "m.gguf", texts) == tokenize(tmp_path / "m.gguf", texts)


def test_a_vocabulary_llama_cpp_does_not_take_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(ConversionFailed, match="did not take the vocabulary"):
        llama_cpp_ids(tmp_path / "bad.gguf", ["a"])


def test_special_and_added_tokens_keep_their_kind_and_fillers_are_unused(tmp_path: Path) -> None:
    tokenizer = files.byte_level(files.QWEN2)
    converted(checkpoint_with(tmp_path / "m", tokenizer), tmp_path / "m.gguf")
    keys = fields(tmp_path / "m.gguf")
    kinds = dict(zip(keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"], strict=True))
    assert kinds["<|im_end|>"] == gguf.TokenType.CONTROL
    assert kinds["<tool_call>"] == gguf.TokenType.USER_DEFINED
    assert kinds["[PAD2047]"] == gguf.TokenType.UNUSED
    assert len(kinds) == 2048


def test_an_added_token_beyond_the_embedding_is_left_out(tmp_path: Path) -> None:
    tokenizer = files.byte_level(files.QWEN2)
    tokenizer["added_tokens"].append(
        {"id": 2048, "content": "<image>", "special": True, "lstrip": False, "rstrip": False}
        | {"normalized": False, "single_word": False}
    )
    converted(checkpoint_with(tmp_path / "m", tokenizer), tmp_path / "m.gguf")
    assert "<image>" not in fields(tmp_path / "m.gguf")["tokenizer.ggml.tokens"]


def test_special_tokens_come_from_the_settings_then_from_the_configuration(tmp_path: Path) -> None:
    folder = checkpoint_with(
        tmp_path / "m",
        files.byte_level(files.QWEN2),
        eos_token={"content": "<|im_end|>", "__type": "AddedToken"},
        add_bos_token=False,
    )
    (folder / "generation_config.json").write_text(
        json.dumps({"bos_token_id": 0, "pad_token_id": 0, "eos_token_id": [2, 0, 5, 6, 7]})
    )
    report = converted(folder, tmp_path / "m.gguf")
    keys = fields(tmp_path / "m.gguf")
    assert keys["tokenizer.ggml.eos_token_id"] == 2
    assert keys["tokenizer.ggml.bos_token_id"] == 0
    assert keys["tokenizer.ggml.padding_token_id"] == 0
    assert not keys["tokenizer.ggml.add_bos_token"]
    # Ends that llama.cpp does not know by their text are told to it; it has room for two.
    assert [keys["tokenizer.ggml.eot_token_id"], keys["tokenizer.ggml.eom_token_id"]] == [5, 6]
    assert any("end of an answer" in notice for notice in report.notices)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"tokenizer_config.json": {"chat_template": "A"}}, {"": "A"}),
        (
            {
                "tokenizer_config.json": {
                    "chat_template": [
                        {"name": "default", "template": "A"},
                        {"name": "tool_use", "template": "B"},
                    ]
                }
            },
            {"": "A", ".tool_use": "B"},
        ),
        ({"tokenizer_config.json": {"chat_template": "A"}, "chat_template.jinja": "C"}, {"": "C"}),
        ({"chat_template.json": {"chat_template": "D"}}, {"": "D"}),
        ({}, {}),
    ],
    ids=["text", "list", "file", "json", "none"],
)
def test_the_chat_template_is_carried_over(
    where: dict[str, Any], expected: dict[str, str], tmp_path: Path
) -> None:
    folder = checkpoint_with(tmp_path / "m", files.byte_level(files.QWEN2))
    for name, content in where.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)
    converted(folder, tmp_path / "m.gguf")
    keys = fields(tmp_path / "m.gguf")
    start = "tokenizer.chat_template"
    assert {k.removeprefix(start): v for k, v in keys.items() if k.startswith(start)} == expected


def test_bert_brackets_its_text_and_lowers_it_as_its_normalizer_says(tmp_path: Path) -> None:
    write_bert(tmp_path / "m")
    report = converted(tmp_path / "m", tmp_path / "m.gguf")
    keys = fields(tmp_path / "m.gguf")
    assert keys["tokenizer.ggml.model"] == "bert"
    assert keys["tokenizer.ggml.normalizer.lowercase"]
    assert keys["tokenizer.ggml.bos_token_id"] == keys["tokenizer.ggml.cls_token_id"] == 2
    assert keys["tokenizer.ggml.seperator_token_id"] == 3
    assert keys["bert.pooling_type"] == 1
    assert report.n_probes >= 300
