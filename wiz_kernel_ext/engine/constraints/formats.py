"""Formats of strings that are told to the day: dates that there are, times of 24 hours. Pure data.

llguidance takes the 31st of February and the 60th second for one.
"""

from __future__ import annotations

_YEAR = "[12][0-9]{3}"
_LEAP_YEAR = "(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)"
_TO_28 = "(?:0[1-9]|1[0-9]|2[0-8])"
_MONTHS = (
    f"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    f"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-{_TO_28}"
)
_DATE = f"(?:{_YEAR}-(?:{_MONTHS})|{_LEAP_YEAR}-02-29)"
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_TIME = f"{_HOUR}:{_SIXTY}:{_SIXTY}(?:\\.[0-9]{{1,6}})?(?:Z|[+-]{_HOUR}:{_SIXTY})"

PATTERNS = {"date": f"^{_DATE}$", "time": f"^{_TIME}$", "date-time": f"^{_DATE}T{_TIME}$"}
"""A pattern for each, of the years 1000 to 2999."""
