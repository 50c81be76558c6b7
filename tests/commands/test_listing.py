"""The one list of commands: each is done somewhere on every face it is on."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from wiz_kernel_ext.cli.main import parser
from wiz_kernel_ext.commands.command import PREFIX
from wiz_kernel_ext.commands.listing import COMMANDS, commands_of
from wiz_kernel_ext.notebook.magics import WizMagics

ROOMS = {"notebook": "wiz_kernel_ext.notebook.magics", "terminal": "wiz_kernel_ext.cli"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_done_on_each_face_it_is_on(name: str) -> None:
    command = COMMANDS[name]
    assert set(command.own_file) <= set(command.faces)
    for face in command.faces:
        if face in command.own_file:
            assert find_spec(f"{ROOMS[face]}.{name}") is not None
        else:
            assert command.run is not None
        assert "{0}" not in command.description(face)


def test_both_faces_are_made_of_the_list() -> None:
    assert {f"wiz_{name}" for name in commands_of("notebook")} == {
        name for name in dir(WizMagics) if name.startswith("wiz_")
    }
    assert set(parser().commands()) == set(commands_of("terminal"))
    assert PREFIX["notebook"] == "%wiz_"
