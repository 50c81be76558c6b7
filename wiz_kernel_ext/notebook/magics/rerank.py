"""`%%wiz_rerank`: a cell's lines by how well they answer a query."""

from __future__ import annotations

import argparse
from typing import Any

from wiz_kernel_ext.commands.texts import ranking_table
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.current_notebook import checked_variable
from wiz_kernel_ext.notebook.magics.embed import model_meant, texts_of
from wiz_kernel_ext.notebook.magics.host import MagicHost
from wiz_kernel_ext.notebook.views.tables import tables_drawing

USAGE = '%%wiz_rerank --query "…" and a text on each line under it.'


def run(host: MagicHost, arguments: argparse.Namespace, text: str) -> Any:
    """The ranking of the cell's lines."""
    variable = checked_variable(arguments.o)
    if not arguments.query:
        raise BadRequest("There is no query.", hint=USAGE, field="query")
    texts = texts_of(text, USAGE)
    found = host.notebook.client.rerank(
        arguments.query, texts, **model_meant(host, arguments.model)
    )
    host.screen.show(tables_drawing("\n".join(found.notices), [ranking_table(found)]))
    host.notebook.keep(variable, found)
    return found
