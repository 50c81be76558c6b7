"""Several versions of one model in the hub's cache: not rivals, one of them is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hub.conftest import SMALL
from tests.models.test_library import OTHER, A, B, Home
from tests.models.test_library import home as home
from wiz_kernel_ext.errors import AmbiguousModel
from wiz_kernel_ext.models.names import ModelName

C = "c" * 40


def put_version(home: Home, file: str, commit: str, ref: str = "", data: bytes = SMALL) -> Path:
    """A snapshot with a blob of its own, as `pull --update` leaves it."""
    root = home.user.home / "hub" / "models--u--r"
    blob = home.put(f"{root}/blobs/{len(list(root.rglob('blobs/*'))):064x}", data)
    path = root / "snapshots" / commit / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(blob, path.parent))
    if ref:
        (root / "refs").mkdir(exist_ok=True)
        (root / "refs" / ref).write_text(commit)
    return path


def test_two_snapshots_of_one_model_are_not_rivals_and_mains_is_meant(home: Home) -> None:
    new = put_version(home, "m-Q8_0.gguf", B, "main", OTHER)
    old = put_version(home, "m-Q8_0.gguf", A)
    for name in ("u/r:Q8_0", "u/r", "u/r/m-Q8_0.gguf", "u/r@main:Q8_0", f"u/r@{B}:q8_0"):
        assert home.library.resolve(name) == new, name
    assert home.library.resolve(f"u/r@{A}:Q8_0") == old


def test_without_main_the_newest_is_meant_and_a_revision_that_is_wanted_before_both(
    home: Home,
) -> None:
    first = put_version(home, "m-Q8_0.gguf", A)
    second = put_version(home, "m-Q8_0.gguf", B, data=OTHER)
    os.utime(first.parent, (2000, 2000))
    os.utime(second.parent, (1000, 1000))
    assert home.library.resolve("u/r:Q8_0") == first
    third = put_version(home, "m-Q8_0.gguf", C, "main")
    (home.user.home / "hub/models--u--r/refs/v1").write_text(B)
    (home.user.home / "hub/models--u--r/refs/v2").write_text(C)
    assert home.library.resolve("u/r") == third
    assert home.library.resolve("u/r@v1:Q8_0") == second
    assert home.library.resolve("u/r@v2:Q8_0") == third  # main is there as well
    assert home.library.resolve("u/r@v3:Q8_0") == ModelName("u/r", "v3", "Q8_0")


def test_what_main_has_not_is_found_in_an_older_version(home: Home) -> None:
    put_version(home, "m-Q8_0.gguf", B, "main")
    old = put_version(home, "m-Q6_K.gguf", A)
    assert home.library.resolve("u/r:Q6_K") == old


def test_a_file_that_was_renamed_in_the_new_version_is_no_rival(home: Home) -> None:
    new = put_version(home, "better-Q8_0.gguf", B, "main")
    put_version(home, "m-Q8_0.gguf", A)
    assert home.library.resolve("u/r:Q8_0") == new
    put_version(home, "another-Q8_0.gguf", B)
    with pytest.raises(AmbiguousModel):
        home.library.resolve("u/r:Q8_0")
