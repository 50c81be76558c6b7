"""The names of models lead to files, or to words that say where was looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import BadRequest, ModelFileNotFound
from wiz_kernel_ext.models.locate import locate_model


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """A working directory with one model."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "model.gguf").write_bytes(b"1")
    return tmp_path / "here"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models directory with two."""
    (tmp_path / "models" / "sub").mkdir(parents=True)
    for name in ("model.gguf", "sub/other.gguf"):
        (tmp_path / "models" / name).write_bytes(b"2")
    return tmp_path / "models"


def test_a_relative_path_is_looked_up_in_the_working_directory_first(
    cwd: Path, models: Path
) -> None:
    assert locate_model("model.gguf", cwd, models) == cwd / "model.gguf"


def test_then_in_the_models_directory_and_the_suffix_may_be_left_out(
    cwd: Path, models: Path
) -> None:
    assert locate_model("sub/other.gguf", cwd, models) == models / "sub" / "other.gguf"
    assert locate_model("sub/other", cwd, models) == models / "sub" / "other.gguf"
    assert locate_model("model", cwd, models) == cwd / "model.gguf"


def test_an_absolute_path_is_itself_and_a_way_up_is_resolved(cwd: Path, models: Path) -> None:
    assert locate_model(str(models / "model.gguf"), cwd) == models / "model.gguf"
    assert locate_model("../models/model.gguf", cwd) == models / "model.gguf"


def test_the_home_directory_may_be_written_with_a_tilde(
    cwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(cwd))
    assert locate_model("~/model.gguf", Path("/")) == cwd / "model.gguf"


def test_a_link_keeps_its_own_name(cwd: Path, models: Path) -> None:
    (cwd / "link.gguf").symlink_to(models / "model.gguf")
    assert locate_model("link", cwd) == cwd / "link.gguf"


def test_demo_is_the_bundled_model_unless_a_file_has_that_name(cwd: Path) -> None:
    assert locate_model("demo", cwd) == model_path()
    (cwd / "demo").write_bytes(b"3")
    assert locate_model("demo", cwd) == cwd / "demo"


def test_a_missing_model_names_the_places_looked_in(cwd: Path, models: Path) -> None:
    with pytest.raises(ModelFileNotFound, match=r"none\.gguf") as caught:
        locate_model("none.gguf", cwd, models)
    assert str(cwd) in caught.value.message
    assert str(models) in caught.value.message
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_no_name_is_a_bad_request(name: str) -> None:
    with pytest.raises(BadRequest):
        locate_model(name)


@pytest.mark.parametrize("name", ["~nobody-here/x", "x" * 5000])
def test_impossible_names_are_just_not_found(name: str) -> None:
    with pytest.raises(ModelFileNotFound):
        locate_model(name)
