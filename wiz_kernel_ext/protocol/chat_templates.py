"""What may be said of a chat template: the name of a family, or the Jinja text itself.

The texts of the families are the engine's (`engine/chat/formats.py`); a test holds the names equal.
"""

from __future__ import annotations

from wiz_kernel_ext.errors import BadRequest

RAW = "raw"
"""No template: a prompt is completed as the text it is."""
TEMPLATE_NAMES = (
    "alpaca",
    "chatml",
    "command-r",
    "deepseek",
    "falcon",
    "gemma",
    "granite",
    "llama2",
    "llama3",
    "mistral",
    "openchat",
    "phi3",
    "phi4",
    RAW,
    "vicuna",
    "zephyr",
)
MAX_TEMPLATE_CHARS = 200_000


def is_jinja(text: str) -> bool:
    """Whether `text` can be a template: one without an expression says the same of everything."""
    return "{{" in text or "{%" in text


def check_chat_template(given: str | None) -> None:
    """Raise BadRequest where `given` is neither a family's name nor a template."""
    if given is None or given in TEMPLATE_NAMES or is_jinja(given):
        return
    raise BadRequest(
        f"There is no chat template {given[:80]!r}.",
        hint=f"Name one of {', '.join(TEMPLATE_NAMES)}, or a file with a Jinja template.",
        field="chatTemplate",
    )
