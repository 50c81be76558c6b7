"""`python -m tests.engine.load_damaged MODEL FOLDER N`: load N damaged copies of a model.

Each copy has bytes of its header changed. A copy is refused with a typed error or loads; anything
else ends this process in a way its caller sees. Prints the seed before each, for the one that did.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from wiz_kernel_ext.engine.backend import ContextParameters, LibraryRefused, LoadParameters
from wiz_kernel_ext.engine.gguf_header import check_gguf
from wiz_kernel_ext.engine.llama.backend import LlamaBackend
from wiz_kernel_ext.errors import WizError


def damaged(whole: bytes, seed: int) -> bytes:
    """`whole` with one to eight bytes changed, in the header mostly."""
    chance = random.Random(seed)
    data = bytearray(whole)
    area = chance.choice([300, 1500, 12_000, len(data)])
    for _ in range(chance.choice([1, 1, 2, 8])):
        data[chance.randrange(min(area, len(data)))] = chance.choice(
            [0, 255, chance.randrange(256)]
        )
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def main(model: str, folder: str, n_copies: int, first_seed: int = 0) -> None:
    """Load the copies one after another."""
    whole, backend = Path(model).read_bytes(), LlamaBackend()
    copy = Path(folder) / "damaged.gguf"
    for seed in range(first_seed, first_seed + n_copies):
        print("seed", seed, file=sys.stderr, flush=True)
        copy.write_bytes(damaged(whole, seed))
        try:
            check_gguf(copy)
            loaded = backend.load(str(copy), LoadParameters(), lambda _: True)
        except (WizError, LibraryRefused):
            continue
        try:
            parameters = ContextParameters(pool_size=256, sequence_ids=2, batch_size=32, threads=1)
            loaded.create_context(parameters).close()
        except LibraryRefused:
            pass
        loaded.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
