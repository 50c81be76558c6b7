"""Who shares, who is replaced, who goes apart: every mix of versions, with and without engine."""

from __future__ import annotations

import itertools
import os
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from wiz_kernel_ext.client.meeting import explained, is_kept_for_newer, meet, said_apart, starter
from wiz_kernel_ext.errors import BadRequest, Conflict, UnknownTarget
from wiz_kernel_ext.transport.endpoints import ConnectionInfo
from wiz_kernel_ext.transport.python_environment import (
    PythonEnvironment,
    keep_environment,
    last_environment,
    this_environment,
    version_key,
)


def environment(
    protocol: int = 2, version: str = "2.0", engine: bool = True, executable: str = "/a/python"
) -> PythonEnvironment:
    return PythonEnvironment(
        executable=executable,
        python_path="",
        version=version,
        protocol=protocol,
        has_engine=engine,
    )


def service_of(runs_in: PythonEnvironment) -> ConnectionInfo:
    return ConnectionInfo(
        endpoint="ipc:///x",
        server_key="k",
        pid=7,
        version=runs_in.version,
        protocol=runs_in.protocol,
        executable=runs_in.executable,
        has_engine=runs_in.has_engine,
    )


@pytest.mark.parametrize(
    ("asks", "runs", "meeting"),
    [
        # (protocol, version, engine)
        ((2, "2.0", True), (2, "2.0", True), "share"),
        ((2, "2.0", False), (2, "2.0", True), "share"),
        ((2, "2.0", False), (2, "2.0", False), "share"),
        ((2, "2.0", True), (2, "2.0", False), "replace if free"),
        ((2, "2.1", True), (2, "2.0", True), "replace if free"),
        ((2, "2.1", False), (2, "2.0", True), "share"),
        ((2, "2.1", False), (2, "2.0", False), "replace if free"),
        ((2, "2.0", True), (2, "2.1", True), "share"),
        ((2, "2.0", False), (2, "2.1", True), "share"),
        ((2, "2.0", True), (2, "2.1", False), "replace if free"),
        ((2, "2.0", True), (1, "1.9", True), "replace"),
        ((2, "2.0", True), (1, "1.9", False), "replace"),
        ((2, "2.0", False), (1, "1.9", False), "replace"),
        ((2, "2.0", False), (1, "1.9", True), "apart"),
        ((2, "2.0", True), (3, "3.0", True), "apart"),
        ((2, "2.0", True), (3, "3.0", False), "apart"),
        ((2, "2.0", False), (3, "3.0", True), "apart"),
    ],
)
def test_a_client_and_a_service_meet(
    asks: tuple[int, str, bool], runs: tuple[int, str, bool], meeting: str
) -> None:
    running = service_of(environment(*runs, executable="/b/python"))
    assert meet(environment(*asks), running) == meeting


def test_an_environment_that_got_its_engine_meanwhile_does_not_replace_its_own_service() -> None:
    assert meet(environment(), service_of(environment(engine=False))) == "share"


def test_no_two_ever_replace_each_other_in_turn() -> None:
    kinds = itertools.product((1, 2, 3), ("1.0", "1.1.dev1", "1.1", "odd", ""), (True, False))
    all_of_them = [environment(*kind, executable=f"/{n}") for n, kind in enumerate(kinds)]
    better = {
        (a.executable, b.executable)
        for a, b in itertools.product(all_of_them, repeat=2)
        if meet(a, service_of(b)).startswith("replace")
    }
    for a, b, c in itertools.product([e.executable for e in all_of_them], repeat=3):
        assert not {(a, b), (b, a)} <= better
        assert not {(a, b), (b, c), (c, a)} <= better


def test_versions_are_ordered_as_people_read_them() -> None:
    order = ["", "0.9", "0.10.dev1", "0.10rc2", "0.10", "0.10.post1", "0.10.1", "1"]
    for older, newer in itertools.pairwise(order):
        assert version_key(older) < version_key(newer)
    assert version_key("1.0")[:3] == version_key("1.0.0")[:3]


@pytest.mark.parametrize(
    ("asker", "last", "starts"),
    [
        (environment(), None, "asker"),
        (environment(), environment(), "last"),
        (environment(engine=False), environment(), "last"),
        (environment(engine=False, version="3.0"), environment(), "last"),
        (environment(version="2.1"), environment(), "asker"),
        (environment(), environment(version="2.1"), "last"),
        (environment(protocol=3), environment(), "asker"),
        (environment(protocol=3, engine=False), environment(), "asker"),
    ],
)
def test_it_is_started_where_there_is_an_engine(
    asker: PythonEnvironment, last: PythonEnvironment | None, starts: str
) -> None:
    if last is not None:
        last = msgspec.structs.replace(last, executable="/last/python")
    assert starter(asker, last) is (asker if starts == "asker" else last)


def test_an_older_client_leaves_the_place_of_a_newer_service_alone() -> None:
    assert is_kept_for_newer(environment(), environment(protocol=3))
    assert not is_kept_for_newer(environment(), environment(protocol=1))
    assert not is_kept_for_newer(environment(), None)


def test_who_goes_apart_is_told_what_would_bring_them_together() -> None:
    newer = said_apart(environment(), environment(protocol=3, executable="/b/python"))
    assert "newer" in newer
    assert "/a/python -m pip install -U" in newer
    older = service_of(environment(protocol=1, executable="/b/python"))
    assert "/b/python -m pip install -U" in said_apart(environment(engine=False), older)


@pytest.mark.parametrize(
    "error",
    [
        UnknownTarget("There is no x."),
        BadRequest("Object contains unknown field `x`."),
        BadRequest("Invalid enum value 'q3' (kvType)."),
    ],
)
def test_what_an_older_service_does_not_know_says_that_it_is_older(error: BadRequest) -> None:
    older = service_of(environment(version="1.0", executable="/b/python"))
    told = explained(error, environment(), older)
    assert type(told) is type(error)
    assert told.message == error.message
    assert "(version 1.0, pid 7)" in told.hint
    assert "(2.0)" in told.hint
    assert "stop" in told.hint
    assert "/b/python -m pip" in explained(error, environment(engine=False), older).hint
    same = explained(error, environment(version="1.0"), older)
    assert "before its code was changed" in same.hint
    assert "stop" in same.hint
    newer = explained(error, environment(version="0.9"), older)
    assert "/a/python -m pip install -U" in newer.hint
    assert explained(error, environment(), None) is error
    conflict = Conflict("x")
    assert explained(conflict, environment(), older) is conflict


def test_the_last_environment_is_its_owners_alone_and_believed_only_if_so(tmp_path: Path) -> None:
    file = tmp_path / "environment.json"
    own = msgspec.structs.replace(this_environment(), has_engine=True)
    keep_environment(file, own)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert last_environment(file) == own
    file.chmod(0o622)
    assert last_environment(file) is None
    file.unlink()
    for executable in (str(tmp_path / "gone"), str(file)):
        keep_environment(file, msgspec.structs.replace(own, executable=executable))
        assert last_environment(file) is None
    open_to_all = tmp_path / "python"
    open_to_all.write_text("#!/bin/sh\n")
    os.chmod(open_to_all, 0o777)  # noqa: PTH101
    keep_environment(file, msgspec.structs.replace(own, executable=str(open_to_all)))
    assert last_environment(file) is None


def test_an_environment_that_lost_its_engine_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "environment.json"
    own = msgspec.structs.replace(this_environment(), has_engine=True)
    keep_environment(file, own)
    stranger = msgspec.structs.replace(own, executable="/other", has_engine=False)
    keep_environment(file, stranger)
    assert last_environment(file) == own
    keep_environment(file, msgspec.structs.replace(own, has_engine=False))
    assert last_environment(file) is None
    assert sys.executable == own.executable
