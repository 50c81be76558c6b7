"""Tables in a notebook: the terminal's rows as HTML, every cell escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.notebook.screen import Drawing


def tables_drawing(line: str, tables: Sequence[Table]) -> Drawing:
    """A line of text and tables under it, as one output."""
    plain = [line, *(table.plain() for table in tables)]
    head = "<div>" + escape(line).replace("\n", "<br>") + "</div>" if line else ""
    return Drawing(
        plain="\n".join(part for part in plain if part),
        html=head + "".join(_html(table) for table in tables),
    )


def _html(table: Table) -> str:
    if not table.rows:
        return f"<div><small>{escape(table.empty)}</small></div>"
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    # A front end's own style of tables is meant for data frames: these are to be read, small.
    return (
        f"<table><caption>{escape(table.caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
