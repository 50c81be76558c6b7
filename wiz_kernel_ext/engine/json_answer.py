"""Whether a JSON answer is what its schema says, by a validator that did not write it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from wiz_kernel_ext.errors import AnswerInvalid

_LEFT_OUT = ("pattern", "patternProperties")
"""What the validator does with Python's expressions, which may take for ever; the grammar saw to
these."""


def check_answer(text: str, schema: dict[str, Any]) -> None:
    """Raise AnswerInvalid where `text` is not JSON that `schema` takes."""
    try:
        value = json.loads(text)
        found = next(iter(_validator()(schema).iter_errors(value)), None)
        why = found and f"{found.message} (at {found.json_path})"
    except ValueError as error:
        why = f"it is not JSON: {error}"
    if why:
        raise AnswerInvalid(
            f"The answer is not of its schema: {why[:500]}.",
            hint="This should not happen; ask again, and report the schema.",
            text=text,
        )


@cache
def _validator() -> Any:
    # Imported when first needed: it takes a tenth of a second.
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def passes(*_: Any) -> None:
        return None

    return extend(Draft202012Validator, dict.fromkeys(_LEFT_OUT, passes))
