"""The demo model's corpus: dialogues written by rules, split into training and held-out text.

Nothing here needs more than the standard library, and nothing is downloaded: one seed, one corpus.
"""

from __future__ import annotations

from .dialogue import SYSTEM_PROMPTS, Author, Dialogue
from .tools import Tool
from .writer import Turn, Writer

__all__ = ["SYSTEM_PROMPTS", "Author", "Dialogue", "Tool", "Turn", "Writer"]
