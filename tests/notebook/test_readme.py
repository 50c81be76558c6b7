"""README's cells work as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import wiz_kernel_ext
from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from wiz_kernel_ext.notebook.magics.parsers import PARSERS

README = Path(wiz_kernel_ext.__file__).parents[1] / "README.md"
CELLS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_first_cells_load_a_model_and_have_an_answer(home: Home) -> None:
    kernel = FrontEnd(home, "/work/readme.ipynb")
    try:
        first, prompt = CELLS[:2]
        assert "demo" in kernel.must(first).text
        asked = kernel.must(prompt).text
        assert "interactive notebooks" in asked
        # All that was sent is what stands in the cell.
        shown = kernel.must(
            "from wiz_kernel_ext import Client\nc = Client()\n"
            "print([m.content for m in c.session(c.sessions()[0].name).messages][:1])\nc.close()"
        )
        assert shown.text.strip() == repr([prompt.split("\n", 1)[1].strip()])
    finally:
        kernel.close()


def test_every_magic_in_it_has_a_line_that_its_parser_takes() -> None:
    lines = [line for cell in CELLS for line in cell.splitlines()]
    magics = [line for line in lines if line.startswith("%wiz_")]
    assert len(magics) > 4
    for line in magics:
        name, _, rest = line.removeprefix("%wiz_").partition(" ")
        PARSERS[name].parse_line(rest)
        assert "#" not in rest
