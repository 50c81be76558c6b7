"""`python -m wiz_kernel_ext.engine.llama.tokenize MODEL.gguf`: texts to tokens by its vocabulary.

Reads a JSON list of texts from standard input and prints a JSON list of token id lists, special
tokens in the texts taken as such, none put around them. The converter runs it, in a process of its
own, because llama.cpp ends the process for a vocabulary it finds impossible.
"""

from __future__ import annotations

import sys

import msgspec

from wiz_kernel_ext.engine.backend import LibraryRefused
from wiz_kernel_ext.engine.llama.backend import load_vocabulary


def main(arguments: list[str]) -> int:
    """Tokenize; 1 with llama.cpp's reason on standard error when it does not take the file."""
    try:
        model = load_vocabulary(arguments[0])
    except LibraryRefused as error:
        print(error, file=sys.stderr)
        return 1
    texts = msgspec.json.decode(sys.stdin.buffer.read(), type=list[str])
    ids = [model.tokenize(text, parse_special=True) for text in texts]
    sys.stdout.buffer.write(msgspec.json.encode(ids))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
