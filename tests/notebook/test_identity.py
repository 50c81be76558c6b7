"""Which notebook this is, for every front end there is."""

from __future__ import annotations

from typing import Any

import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.identity import Identity, checked_session_name, identify

FILE = "/run/kernel-0a1b2c3d-ffff.json"
ID = "0a1b2c3d-ffff"


@pytest.mark.parametrize(
    ("user_ns", "environ", "file", "expected"),
    [
        pytest.param(
            {}, {"JPY_SESSION_NAME": "/work/a.ipynb"}, FILE,
            Identity("a", "/work/a.ipynb", ID), id="Jupyter Server",
        ),
        pytest.param(
            {"__vsc_ipynb_file__": "/v/b.ipynb"}, {"JPY_SESSION_NAME": "/work/a.ipynb"}, FILE,
            Identity("b", "/v/b.ipynb", ID), id="VS Code wins",
        ),
        pytest.param(
            {"__session__": "/work/c.ipynb"}, {}, FILE,
            Identity("c", "/work/c.ipynb", ID), id="told in the namespace",
        ),
        pytest.param(
            {}, {"JPY_SESSION_NAME": "/work/console-1"}, FILE,
            Identity("kernel-0a1b2c3d", None, ID), id="a console has no file",
        ),
        pytest.param({}, {}, FILE, Identity("kernel-0a1b2c3d", None, ID), id="nbclient"),
        pytest.param(
            {}, {"JPY_SESSION_NAME": "/work/a.ipynb"}, None,
            Identity("terminal-9"), id="a terminal started from a notebook",
        ),
        pytest.param({}, {}, "", Identity("terminal-9"), id="an embedded kernel"),
        pytest.param(
            {}, {"JPY_SESSION_NAME": "/w/RTC:shared.ipynb"}, FILE,
            Identity("shared", "/w/RTC:shared.ipynb", ID), id="a shared document",
        ),
        pytest.param(
            {"__vsc_ipynb_file__": 3}, {}, FILE,
            Identity("kernel-0a1b2c3d", None, ID), id="not a path at all",
        ),
        pytest.param(
            {"__vsc_ipynb_file__": r"C:\w\d.ipynb"}, {}, FILE,
            Identity("d", r"C:\w\d.ipynb", ID), id="Windows",
        ),
        pytest.param(
            {}, {"JPY_SESSION_NAME": "/w/\n.ipynb"}, FILE,
            Identity("terminal-9", "/w/\n.ipynb", ID), id="a name with nothing to show",
        ),
    ],
)  # fmt: skip
def test_a_notebook_is_known_by_what_its_front_end_tells(
    user_ns: dict[str, Any], environ: dict[str, str], file: str | None, expected: Identity
) -> None:
    assert identify(user_ns, environ, file, "terminal-9") == expected


def test_a_very_long_file_name_still_names_a_session() -> None:
    environ = {"JPY_SESSION_NAME": f"/w/{'x' * 300}.ipynb"}
    assert len(identify({}, environ, FILE, "t").name) == 80


@pytest.mark.parametrize("name", ["notes", "a b", "über-#2", "<b>", "x" * 200])
def test_session_names_are_free(name: str) -> None:
    assert checked_session_name(name) == name


@pytest.mark.parametrize("name", [" ", "a\nb", "\x1b[31m", " a", "x" * 201])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked_session_name(name)
    assert caught.value.details["field"] == "session"
