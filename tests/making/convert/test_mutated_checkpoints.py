"""A checkpoint's small files are somebody else's too: odd values are refused, never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.making.convert import tokenizer_files as files
from tests.making.convert.checkpoints import CASES, write_bert, write_checkpoint
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.making.convert import estimate
from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.metadata import describe
from wiz_kernel_ext.making.convert.special_tokens import read_special_tokens
from wiz_kernel_ext.making.convert.vocabulary import (
    composes,
    pre_tokenizer_candidates,
    read_vocabulary,
    uses_metaspace,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["llama3", "yarn", "linear", "longrope", "BPE", "Sequence", "silu"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["rope_type", "factor", "full_attention", "type", "id", "content"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
KEYS = [
    "architectures",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "no_rope_layers",
    "no_rope_layer_interval",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "quantization_config",
    "query_pre_attn_scalar",
    "rms_norm_eps",
    "rope_local_base_freq",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "sliding_window_pattern",
    "tie_word_embeddings",
    "use_sliding_window",
    "vocab_size",
]
FAMILIES = ["llama-rope3-new", "qwen2-yarn", "gemma2", "gemma3-new", "phi3-longrope", "smollm3"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """A checkpoint of each of these families, and its configuration."""
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for case in FAMILIES:
        folder = tmp_path_factory.mktemp(case)
        found[case] = (folder, write_checkpoint(folder, case)[0])
    return found


@settings(max_examples=100, deadline=None)
@given(case=st.sampled_from(FAMILIES), changes=st.dictionaries(st.sampled_from(KEYS), JSON))
def test_odd_configurations_are_estimated_or_refused(
    folders: dict[str, tuple[Path, dict[str, Any]]], case: str, changes: dict[str, Any]
) -> None:
    folder, config = folders[case]
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    try:
        assert estimate(folder) > 0
    except WizError as error:
        assert error.hint or "config.json" in error.message


def replaced(value: Any, path: list[int], new: Any) -> Any:
    """A copy of a JSON value with the part that `path` leads to replaced."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    if isinstance(value, dict):
        key = list(value)[path[0] % len(value)]
        return {**value, key: replaced(value[key], path[1:], new)}
    place = path[0] % len(value)
    return [*value[:place], replaced(value[place], path[1:], new), *value[place + 1 :]]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["byte_level", "sentence_piece", "word_piece"]),
    path=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    new=JSON,
    companion=JSON,
)
def test_odd_tokenizers_are_read_or_refused(
    tmp_path: Path, kind: str, path: list[int], new: Any, companion: Any
) -> None:
    source = replaced(TOKENIZERS[kind], path, new)
    (tmp_path / "tokenizer.json").write_text(json.dumps(source))
    config = {"eos_token_id": companion, "bos_token_id": new}
    (tmp_path / "config.json").write_text(json.dumps(config))
    settings_file = {"chat_template": companion, "eos_token": new, "add_bos_token": companion}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings_file))
    checkpoint = Checkpoint.open(tmp_path)
    try:
        vocabulary = read_vocabulary(checkpoint, 1400)
        assert len(vocabulary.tokens) == len(vocabulary.types) == 1400
        assert len(set(vocabulary.tokens)) == 1400
        read_special_tokens(checkpoint, vocabulary, ([], []))
        describe(checkpoint, vocabulary)
        assert pre_tokenizer_candidates(source)
        composes(source)
        uses_metaspace(source)
    except WizError as error:
        assert error.hint


TOKENIZERS = {
    "byte_level": files.byte_level(files.QWEN2),
    "sentence_piece": files.sentence_piece(),
    "word_piece": files.word_piece(),
}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(modules=JSON, pooling=JSON)
def test_odd_pooling_is_estimated_or_refused(tmp_path: Path, modules: Any, pooling: Any) -> None:
    write_bert(tmp_path)
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    try:
        estimate(tmp_path)
    except WizError as error:
        assert error.hint


def test_every_family_has_a_checkpoint_to_mutate() -> None:
    assert set(FAMILIES) <= set(CASES)
