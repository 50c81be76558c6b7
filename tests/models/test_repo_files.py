"""Which models a repository's files are, and which of them a name means."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.errors import AmbiguousModel, HubNotFound
from wiz_kernel_ext.models.names import parse_name
from wiz_kernel_ext.models.repo_files import choose, quant_label, sort_files, split_parts, suggested
from wiz_kernel_ext.protocol.hub import RepoFile


def files(*paths: str) -> list[RepoFile]:
    """Files of 1 GB, 2 GB and so on."""
    return [RepoFile(path=path, size_bytes=i * 10**9) for i, path in enumerate(paths, 1)]


def names(*paths: str) -> list[str]:
    return [model.name for model in sort_files("u/r", None, files(*paths)).models]


LABELS = {
    "model-Q4_K_M.gguf": "Q4_K_M",
    "model.q4_k_m.gguf": "Q4_K_M",
    "Model-7B-UD-Q4_K_XL.gguf": "UD-Q4_K_XL",
    "m-IQ4_XS.gguf": "IQ4_XS",
    "m-IQ2_XXS.gguf": "IQ2_XXS",
    "m-IQ4_NL.gguf": "IQ4_NL",
    "m-Q2_K.gguf": "Q2_K",
    "m-Q3_K_XL.gguf": "Q3_K_XL",
    "m-Q4_0_4_4.gguf": "Q4_0_4_4",
    "m-fp16.gguf": "F16",
    "m-bf16.gguf": "BF16",
    "ggml-model-f32.gguf": "F32",
    "m-MXFP4_MOE.gguf": "MXFP4_MOE",
    "m-TQ1_0.gguf": "TQ1_0",
    "Q8_0/model-00001-of-00002.gguf": "Q8_0",
    "Q8_0/model-Q6_K-00001-of-00002.gguf": "Q6_K",
    "qwen2.5-7b-instruct-q5_0.gguf": "Q5_0",
    "model.gguf": "",
    "aq4_0b.gguf": "",
}


@pytest.mark.parametrize("path", LABELS)
def test_a_path_names_its_quantization(path: str) -> None:
    assert quant_label(path) == LABELS[path]


def test_parts_of_a_split_file_are_one_model() -> None:
    found = sort_files(
        "u/r", None, files("a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf", "README.md")
    )
    (model,) = found.models
    assert (model.name, model.size_bytes, len(model.files)) == ("u/r:Q8_0", 3 * 10**9, 2)
    assert model.files[0].path == "a-Q8_0-00001-of-00002.gguf"


def test_a_split_file_with_a_part_missing_is_no_model() -> None:
    found = sort_files("u/r", None, files("a-00001-of-00003.gguf", "a-00003-of-00003.gguf"))
    assert not found.models
    assert [skipped.why for skipped in found.skipped] == ["incomplete", "incomplete"]


def test_split_names_that_cannot_be_are_plain_files() -> None:
    assert split_parts("a-00001-of-00002.gguf") == [
        "a-00001-of-00002.gguf",
        "a-00002-of-00002.gguf",
    ]
    for path in ("a-00003-of-00002.gguf", "a-00000-of-00002.gguf", "a-1-of-2.gguf", "a.gguf"):
        assert split_parts(path) is None
    assert split_parts("a-00001-of-99999.gguf") is None


def test_what_goes_with_a_model_is_none() -> None:
    found = sort_files(
        "u/r",
        None,
        files(
            "m-Q4_K_M.gguf",
            "mmproj-F16.gguf",
            "imatrix_unsloth.gguf",
            "m-mtp-Q8_0.gguf",
            "m-draft-Q8_0.gguf",
            "eagle3-m.gguf",
            "ggml-vocab-x.gguf",
            "style-lora-f16.gguf",
        ),
    )
    assert [model.quant for model in found.models] == ["Q4_K_M"]
    assert {skipped.why for skipped in found.skipped} == {
        "mmproj", "imatrix", "mtp", "draft", "eagle3", "vocab", "lora"
    }  # fmt: skip


def test_a_model_about_draughts_is_still_a_model() -> None:
    assert names("draftsman-Q8_0.gguf", "explorator-Q4_0.gguf") == ["u/r:Q8_0", "u/r:Q4_0"]


def test_hostile_paths_are_no_models() -> None:
    found = sort_files("u/r", None, files("../x-Q8_0.gguf", "/etc/y-Q8_0.gguf", "nul/z.gguf"))
    assert not found.models
    assert {skipped.why for skipped in found.skipped} == {"its name cannot be stored safely"}


def test_equal_labels_are_told_apart_by_their_files() -> None:
    assert names("a-Q8_0.gguf", "b-Q8_0.gguf") == ["u/r/a-Q8_0.gguf", "u/r/b-Q8_0.gguf"]


MANY = ("m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-IQ1_S.gguf", "s/m-UD-Q4_K_XL.gguf")
CHOICES = {
    "u/r": "m-Q4_K_M.gguf",
    "u/r:q8_0": "m-Q8_0.gguf",
    "u/r:UD-Q4_K_XL": "s/m-UD-Q4_K_XL.gguf",
    "u/r:m-IQ1_S": None,
    "u/r:m-IQ1_S.gguf": "m-IQ1_S.gguf",
    "u/r/s/m-UD-Q4_K_XL.gguf": "s/m-UD-Q4_K_XL.gguf",
    "u/r:Q4_K": None,
    "u/r:Q4_K_XL": None,
    "u/r/m-Q5_0.gguf": None,
}


@pytest.mark.parametrize("text", CHOICES)
def test_a_name_means_one_model_or_none(text: str) -> None:
    found = sort_files("u/r", None, files(*MANY))
    expected = CHOICES[text]
    if expected is None and text != "u/r:m-IQ1_S":
        with pytest.raises(HubNotFound) as caught:
            choose(parse_name(text), found)
        assert "u/r:Q4_K_M (1.9 GB)" in caught.value.hint
    else:
        model = choose(parse_name(text), found)
        assert model.files[0].path == (expected or "m-IQ1_S.gguf")


def test_a_part_means_its_whole_model() -> None:
    found = sort_files("u/r", None, files("a-00001-of-00002.gguf", "a-00002-of-00002.gguf"))
    assert len(choose(parse_name("u/r/a-00002-of-00002.gguf"), found).files) == 2


def test_equals_are_listed_not_guessed() -> None:
    found = sort_files("u/r", None, files("a-Q4_K_M.gguf", "b-Q4_K_M.gguf", "a-Q8_0.gguf"))
    for text in ("u/r", "u/r:Q4_K_M"):
        with pytest.raises(AmbiguousModel) as caught:
            choose(parse_name(text), found)
        choices = caught.value.details["choices"]
        assert {
            "name": "u/r/a-Q4_K_M.gguf",
            "quant": "Q4_K_M",
            "sizeBytes": 10**9,
            "fit": "unknown",
        } in choices
    assert suggested(found.models) is None


def test_the_only_model_needs_no_label() -> None:
    found = sort_files("u/r", "v1", files("weights.gguf"))
    assert choose(parse_name("u/r@v1"), found).name == "u/r@v1/weights.gguf"


def test_what_is_no_model_is_refused_with_the_reason() -> None:
    found = sort_files("u/r", None, files("m-Q8_0.gguf", "mmproj-F16.gguf"))
    with pytest.raises(HubNotFound, match="no model by itself: mmproj"):
        choose(parse_name("u/r/mmproj-F16.gguf"), found)


def test_a_repository_without_gguf_offers_conversion() -> None:
    with pytest.raises(HubNotFound) as caught:
        choose(parse_name("u/r"), sort_files("u/r", None, files("model.safetensors")))
    assert "`wiz convert u/r`" in caught.value.info().hint
