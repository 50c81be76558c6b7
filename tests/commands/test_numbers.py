"""Times as people read them, also where a clock was set meanwhile."""

from __future__ import annotations

import time

import pytest

from wiz_kernel_ext.commands.numbers import ago, duration

NOW = time.mktime((2026, 11, 27, 12, 0, 0, 0, 0, -1))
YEARS_S = 20 * 365.25 * 86400


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW - 5, "5.0 s ago"),
        (NOW + 1, "0 ms ago"),  # two clocks that are not quite one
        (NOW - 3 * 3600, "3 h ago"),
        (NOW - 3 * 86400, "3 days ago"),
        (NOW - 30.5 * 86400, "on 2026-10-28"),
        (NOW - YEARS_S, "on 2006-11-27"),  # kept while the clock was wrong
        (NOW + YEARS_S, "on 2046-11-27"),
    ],
)
def test_when_it_was_is_a_day_where_hours_would_say_nothing(at: float, said: str) -> None:
    assert ago(at, NOW) == said


def test_long_times_are_days() -> None:
    assert duration(175_200 * 3600) == "7300 days"
