"""`rerank`: texts by how well they answer; done in `notebook/magics/rerank.py`, `cli/rerank.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import BOTH, Command, Face, Parser, add_texts


def arguments(parser: Parser, face: Face) -> None:
    """The query, the texts and the model. A magic's texts are the cell's lines."""
    if face == "notebook":
        parser.add_argument("--query", metavar="TEXT", help="what the texts are to answer")
        parser.add_argument("-o", metavar="NAME", help="keep the ranking in this variable")
    else:
        parser.add_argument("query", metavar="QUERY", help="what the texts are to answer")
        add_texts(parser)
    parser.add_argument("--model", metavar="MODEL", help="any name of a model, or a path")


COMMAND = Command(
    help="put texts in the order in which they answer a query",
    more="""A reranking model (bge-reranker, …) rates each text with the query; with any other model
    the scores are cosines of vectors, which is said.""",
    notebook_help="""The ranking, best first, is then in `_`.

        %%wiz_rerank --query "Where do cats sleep?"
        one text
        on each line""",
    notebook_usage="%%%%%(prog)s --query TEXT [options]\n  a TEXT on each line",
    arguments=arguments,
    own_file=BOTH,
    takes_text=True,
    lists=True,
)
