"""What a GGUF says about itself: name, licence, where it came from.

Knows the model card's front matter and one trap of llama.cpp. Called by `job.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.vocabulary import Vocabulary

_PHI3 = re.compile(r"phi-?3", re.IGNORECASE)
# llama.cpp looks these up in every vocabulary of a model of that name, and stops without them.
_PHI3_TOKENS = ("</s>", "<unk>", "<s>", "<|endoftext|>")
_FIELD = re.compile(r"^(license|license_name|license_link):\s*['\"]?([^\s'\"#]+)", re.MULTILINE)


def describe(
    checkpoint: Checkpoint,
    vocabulary: Vocabulary,
    *,
    name: str | None = None,
    repo: str | None = None,
    commit: str | None = None,
) -> dict[str, str]:
    """The `general.*` keys; `repo` and `commit` are found in the path of a cached checkpoint."""
    if repo is None and checkpoint.origin is not None:
        repo, commit = checkpoint.origin
    facts = {"general.type": "model"}
    title = name or (repo.rpartition("/")[2] if repo else checkpoint.folder.absolute().name)
    facts["general.name"] = safe_name(title, vocabulary)
    if repo:
        page = f"https://huggingface.co/{repo}"
        facts["general.source.repo_url"] = page
        facts["general.source.url"] = f"{page}/tree/{commit}" if commit else page
        if "/" in repo:
            facts["general.organization"] = repo.partition("/")[0]
    card = checkpoint.read("README.md", 16 << 20) if _is_small(checkpoint.folder) else None
    text = (card or b"").decode("utf-8", "replace")
    if text.startswith("---") and (end := text.find("\n---", 3)) > 0:
        for field, value in _FIELD.findall(text[:end]):
            facts[f"general.{field.replace('_', '.')}"] = value
    return facts


def safe_name(title: str, vocabulary: Vocabulary) -> str:
    """`title`, without what makes llama.cpp treat the vocabulary as Phi-3's when it is not.

    A model of that name has white space after its special tokens swallowed; that is right for
    Phi-3 itself, and only for it.
    """
    texts = set(vocabulary.tokens)
    if _PHI3.search(title) and not texts.issuperset(_PHI3_TOKENS):
        return _PHI3.sub(lambda match: f"{match[0][:3]} 3", title)
    return title


def _is_small(folder: Path) -> bool:
    card = folder / "README.md"
    return card.is_file() and card.stat().st_size <= 1 << 20
