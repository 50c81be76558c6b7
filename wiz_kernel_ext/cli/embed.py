"""`jupyter wiz embed`: vectors of texts on standard output, what is to be known on the other."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.cli.texts import asked, print_json, texts_given
from wiz_kernel_ext.commands.texts import vectors_json, vectors_line, vectors_table

USAGE = 'jupyter wiz embed "one text" "another", or texts on the lines of standard input'


def run(arguments: argparse.Namespace) -> int:
    """Make vectors of the texts; with --json all their numbers."""
    texts = texts_given(arguments.texts, USAGE)
    found = asked(
        arguments.model,
        lambda client, model: client.embeddings(
            texts, normalize=arguments.normalize, model_path=model, autoload=True
        ),
    )
    if arguments.json:
        print_json(vectors_json(found))
    else:
        print(vectors_table(texts, found).plain(), vectors_line(found), sep="\n")
    return 0
