"""The number that views wait on."""

from __future__ import annotations

import asyncio

from wiz_kernel_ext.service.changes import Changes


async def test_who_saw_an_older_number_is_answered_at_once() -> None:
    changes = Changes()
    seen = changes.number
    changes.tell()
    assert await changes.wait(seen, timeout_s=60) == seen + 1
    assert await changes.wait(0, timeout_s=60) == seen + 1


async def test_everybody_who_waits_hears_of_a_change() -> None:
    changes = Changes()
    seen = changes.number
    waiting = [asyncio.create_task(changes.wait(seen, timeout_s=60)) for _ in range(3)]
    await asyncio.sleep(0)
    changes.tell()
    assert await asyncio.gather(*waiting) == [seen + 1] * 3


async def test_without_a_change_the_number_comes_after_the_timeout() -> None:
    changes = Changes()
    assert await changes.wait(changes.number, timeout_s=0.01) == changes.number
