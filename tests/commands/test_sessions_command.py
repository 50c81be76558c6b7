"""`jupyter wiz sessions`, `ops`, `attach` and `cancel` as processes, against a real service."""

from __future__ import annotations

import json

from tests.cli.test_commands import wiz
from tests.support.homes import Home


def test_conversations_are_listed_shown_and_deleted_once_agreed(home: Home) -> None:
    ran = wiz(home, "prompt", "--session", "notes", "--temperature", "0", "Hello, I am called Ana.")
    assert ran.returncode == 0, ran.stderr
    (operation,) = [
        one for one in json.loads(wiz(home, "ops", "--json").stdout) if one["kind"] == "prompt"
    ]
    assert wiz(home, "attach", operation["id"]).stdout == ran.stdout
    assert wiz(home, "cancel", operation["id"]).stdout == "Nothing was running.\n"

    (listed,) = json.loads(wiz(home, "sessions", "--json").stdout)
    assert (listed["name"], listed["n_messages"]) == ("notes", 2)
    assert "user: Hello, I am called Ana." in wiz(home, "sessions", "show", "notes").stdout
    assert "is called thesis now" in wiz(home, "sessions", "rename", "notes", "thesis").stdout
    assert wiz(home, "sessions", "rename", "notes", "a\nb").returncode == 1
    assert wiz(home, "sessions", "rename", "thesis", "notes").returncode == 0
    refused = wiz(home, "sessions", "delete", "notes")
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert wiz(home, "sessions", "delete", "notes", "gone", "--yes").returncode == 1
    deleted = wiz(home, "sessions", "delete", "notes", "--yes")
    assert deleted.stdout == "Deleted: notes (2 messages)\n"
    assert json.loads(wiz(home, "sessions", "--json").stdout) == []
    assert wiz(home, "sessions", "forget").returncode == 1
