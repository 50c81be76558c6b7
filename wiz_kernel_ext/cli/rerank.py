"""`jupyter wiz rerank`: texts on standard output, the best first."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.cli.texts import asked, print_json, texts_given
from wiz_kernel_ext.commands.json_values import plain
from wiz_kernel_ext.commands.texts import ranking_table

USAGE = 'jupyter wiz rerank QUERY "one text" "another", or texts on standard input\'s lines'


def run(arguments: argparse.Namespace) -> int:
    """Rank the texts."""
    texts = texts_given(arguments.texts, USAGE)
    query = arguments.query
    found = asked(
        arguments.model,
        lambda client, model: client.rerank(query, texts, model_path=model, autoload=True),
    )
    if arguments.json:
        print_json(plain(found))
    else:
        print(ranking_table(found).plain(), *found.notices, sep="\n")
    return 0
