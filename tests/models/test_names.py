"""Every form a model's name comes in, and what is refused."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.models.names import ModelName, check_file_path, is_path, make_name, parse_name

U = "user/repo-GGUF"
FORMS: dict[str, ModelName] = {
    "user/repo-GGUF": ModelName(U),
    " user/repo-GGUF ": ModelName(U),
    "user/repo-GGUF:Q4_K_M": ModelName(U, None, "Q4_K_M"),
    "user/repo-GGUF:UD-Q4_K_XL": ModelName(U, None, "UD-Q4_K_XL"),
    "user/repo-GGUF:model-q4.gguf": ModelName(U, None, None, "model-q4.gguf"),
    "user/repo-GGUF/model.gguf": ModelName(U, None, None, "model.gguf"),
    "user/repo-GGUF/Q4_K_M/model-00001-of-00002.gguf": ModelName(
        U, None, None, "Q4_K_M/model-00001-of-00002.gguf"
    ),
    "user/repo-GGUF@v1.0": ModelName(U, "v1.0"),
    "user/repo-GGUF@main": ModelName(U),
    "user/repo-GGUF@v1:Q8_0": ModelName(U, "v1", "Q8_0"),
    "user/repo-GGUF:Q8_0@v1": ModelName(U, "v1", "Q8_0"),
    "user/repo-GGUF@v1/a/b.gguf": ModelName(U, "v1", None, "a/b.gguf"),
    "user/repo-GGUF@refs/pr/7": ModelName(U, "refs/pr/7"),
    "user/repo-GGUF@refs/pr/7:Q8_0": ModelName(U, "refs/pr/7", "Q8_0"),
    "user/repo-GGUF@refs/pr/7/b.gguf": ModelName(U, "refs/pr/7", None, "b.gguf"),
    "user/repo-GGUF@my%2Fbranch:Q8_0": ModelName(U, "my/branch", "Q8_0"),
    "hf:user/repo-GGUF:Q4_K_M": ModelName(U, None, "Q4_K_M"),
    "hf:user/repo-GGUF/model.gguf#dev": ModelName(U, "dev", None, "model.gguf"),
    "hf://user/repo-GGUF@v1/model.gguf": ModelName(U, "v1", None, "model.gguf"),
    "hf://models/user/repo-GGUF": ModelName(U),
    "hf.co/user/repo-GGUF:Q4_K_M": ModelName(U, None, "Q4_K_M"),
    "HuggingFace.co/user/repo-GGUF": ModelName(U),
    "https://huggingface.co/user/repo-GGUF": ModelName(U),
    "https://huggingface.co/user/repo-GGUF/tree/v1": ModelName(U, "v1"),
    "https://huggingface.co/user/repo-GGUF/tree/main/Q4_K_M": ModelName(U),
    "https://huggingface.co/user/repo-GGUF/blob/main/a/model.gguf": ModelName(
        U, None, None, "a/model.gguf"
    ),
    "https://huggingface.co/user/repo-GGUF/resolve/refs%2Fpr%2F7/m.gguf?download=true": ModelName(
        U, "refs/pr/7", None, "m.gguf"
    ),
    "https://huggingface.co/user/repo-GGUF/resolve/refs/pr/7/m%20x.gguf": ModelName(
        U, "refs/pr/7", None, "m x.gguf"
    ),
    "https://huggingface.co/api/models/user/repo-GGUF": ModelName(U),
    "https://huggingface.co/user/repo-GGUF/discussions/3": ModelName(U),
    "https://mirror.example:8080/user/repo-GGUF": ModelName(U),
}


@pytest.mark.parametrize("text", FORMS)
def test_every_form_reads_as_one_name(text: str) -> None:
    name = parse_name(text, hosts=["mirror.example:8080"])
    assert name == FORMS[text]
    assert parse_name(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demo",
        "user",
        "user/",
        "/repo",
        "a/b/../../etc/passwd",
        "a/..",
        "../b",
        "a/b/./c.gguf",
        "a/b//c.gguf",
        "a/b/C:/x.gguf",
        "a/b/x\\y.gguf",
        "a/b/x\0.gguf",
        "a/b/x\n.gguf",
        "a/b/con.gguf",
        "a/b/NUL",
        "a/b/lpt1.txt/x.gguf",
        "a/b/x.gguf.",
        "a/b/x.gguf /y",
        "a/b/" + "x" * 300 + ".gguf",
        "a/b/" + "x/" * 900,
        "a--b/c",
        "a/b..c",
        "a/b.git",
        "a/b@../../x",
        "a/b@..%2F..%2Fx",
        "a/b@rev:",
        "a/b:",
        "a/b:Q4/Q5",
        "a/b:Q4:Q5",
        "a/b:Q4@v1:Q5",
        "a b/c",
        "ü/c",
        "hf:",
        "https://example.com/user/repo",
        "https://huggingface.co/user",
        "https://huggingface.co.evil.example/user/repo",
        "https://[::1/user/repo",
        "ftp://huggingface.co/user/repo",
        "file:///etc/passwd",
        "https://huggingface.co/user/repo/resolve/main/..%2F..%2Fx.gguf",
    ],
)
def test_what_is_no_name_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_name(text)
    assert "user/repo" in caught.value.hint


def test_parts_are_checked_one_by_one() -> None:
    assert str(make_name("u/r", "m.gguf", "main")) == "u/r/m.gguf"
    for arguments in (
        ("u",),
        ("u/r", "/etc/x"),
        ("u/r", "m.gguf", "a b"),
        ("u/r", None, None, "?"),
    ):
        with pytest.raises(BadRequest):
            make_name(*arguments)


@pytest.mark.parametrize("text", ["./m", "/m/x", "~/x.gguf", "C:\\m.gguf", "m.gguf", "d/m.gguf"])
def test_what_looks_like_a_path_is_one(text: str) -> None:
    assert is_path(text)


@pytest.mark.parametrize("text", ["demo", "u/r", "u/r:Q4_K_M", "u/r/m.gguf", "hf:u/m.gguf"])
def test_what_looks_like_a_name_is_none(text: str) -> None:
    assert not is_path(text)


def test_names_that_only_some_systems_can_store_are_refused_everywhere() -> None:
    check_file_path("Q4_K_M/model v1.gguf")
    for path in ("a:b.gguf", "aux", "com1.gguf", "a\\b", "..", "x/../y", "/x", "~x", "", "a\x7f"):
        with pytest.raises(BadRequest):
            check_file_path(path)
