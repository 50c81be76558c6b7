"""`%wiz_embed` and `%%wiz_embed`: vectors of texts, as an array."""

from __future__ import annotations

import argparse
from typing import Any

from wiz_kernel_ext.commands.texts import lines_of, vectors_line
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.current_notebook import checked_variable
from wiz_kernel_ext.notebook.magics.host import MagicHost, say


def run(host: MagicHost, arguments: argparse.Namespace, text: str) -> Any:
    """The array of the line's text, or of the cell's lines."""
    variable = checked_variable(arguments.o)
    found = host.notebook.client.embeddings(
        texts_of(text, "%wiz_embed TEXT, or %%wiz_embed and a text on each line under it."),
        normalize=arguments.normalize,
        **model_meant(host, arguments.model),
    )
    say(host, vectors_line(found))
    vectors = found.array()
    host.notebook.keep(variable, vectors)
    return vectors


def texts_of(text: str, usage: str) -> list[str]:
    """The texts of a cell; raises BadRequest where there are none."""
    texts = lines_of(text)
    if not texts:
        raise BadRequest("There is no text.", hint=usage, field="texts")
    return texts


def model_meant(host: MagicHost, name: str | None) -> dict[str, Any]:
    """The model that is named, else the notebook's: loaded again where it is gone."""
    from wiz_kernel_ext.local_paths import located

    if name is not None:
        loaded = host.notebook.client.load(located(name), new=False)
        return {"model_path": loaded.model.model_path}
    session, _ = host.notebook.open_session(host.session or None)
    model = host.notebook.model_of_before(session)
    return {"model_path": model, "session": session.id, "autoload": True}
