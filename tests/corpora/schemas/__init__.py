"""Schemas written for this project: what can be asked for, and what has to be refused.

from tests.corpora.schemas import CORPUS
"""

from __future__ import annotations

from tests.corpora.schemas import (
    arrays,
    combined,
    exports,
    objects,
    real_world,
    refused,
    scalars,
    strings,
    traps,
    values,
)
from tests.corpora.schemas.case import Case

CORPUS: list[Case] = [
    case
    for module in (
        scalars,
        values,
        strings,
        arrays,
        objects,
        combined,
        real_world,
        exports,
        refused,
        traps,
    )
    for case in module.CASES
]
