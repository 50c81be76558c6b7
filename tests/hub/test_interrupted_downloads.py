"""Downloads that are cut, killed, cancelled or damaged on the way."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.hub.conftest import LARGE
from tests.support.hub_user import HubUser, children, content, until
from tests.support.stand_in_hub import Fault, FaultKind, Repository, StandInHub, digest
from wiz_kernel_ext.errors import (
    ChecksumMismatch,
    Conflict,
    DownloadFailed,
    HubAccessDenied,
    OperationCancelled,
)
from wiz_kernel_ext.hub.download import discard
from wiz_kernel_ext.models.names import parse_name

KINDS: list[FaultKind] = ["fin", "rst", "stall", "ignore range"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_transfer_that_breaks_off_goes_on_from_there(
    user: HubUser, hub: StandInHub, kind: FaultKind
) -> None:
    hub.faults = [Fault("fin", 2 << 20), Fault(kind, 1 << 20)]
    assert content(await user.fetch()) == LARGE
    ranges = [asked.range for asked in hub.asked_for("GET", "store")]
    assert ranges[:2] == [None, f"bytes={2 << 20}-"]
    assert hub.n_sent_bytes < 1.2 * len(LARGE)


async def cut_and_killed(user: HubUser, hub: StandInHub, size: int, n_cuts: int) -> float:
    """Cuts of four kinds, and two kills of the child; how many times its size was sent."""
    rng = random.Random(5)
    data = rng.randbytes(size)
    hub.repositories["wiz/models"].files["huge.gguf"] = data
    reach = size * 4 // (3 * n_cuts)
    cuts = [Fault(kind, rng.randrange(1, reach)) for kind in KINDS * (n_cuts // len(KINDS))]
    rng.shuffle(cuts)
    hub.faults = cuts
    for kill_at in (size // 5, size // 2):
        task = asyncio.create_task(user.fetch(file="huge.gguf"))
        await user.until_begun(kill_at)
        (child,) = children()
        child.kill()
        with pytest.raises(DownloadFailed, match="killed by SIGKILL"):
            await task
    path = await user.fetch(file="huge.gguf")
    assert content(path) == data
    assert hub.faults == []
    assert user.unfinished() == []
    return hub.n_sent_bytes / size


async def test_cuts_and_two_kills_cost_little(user: HubUser, hub: StandInHub) -> None:
    assert await cut_and_killed(user, hub, 40 << 20, n_cuts=8) <= 1.2


@pytest.mark.slow
async def test_20_cuts_and_two_kills_of_200_mb_cost_a_twentieth(
    user: HubUser, hub: StandInHub
) -> None:
    assert await cut_and_killed(user, hub, 200_000_000, n_cuts=20) <= 1.05


async def test_a_server_that_never_takes_ranges_is_met(user: HubUser, hub: StandInHub) -> None:
    hub.faults = [Fault("fin", 1 << 20)] + [Fault("ignore range")] * 10
    assert content(await user.fetch()) == LARGE


async def test_a_partial_file_longer_than_the_file_is_begun_anew(
    user: HubUser, hub: StandInHub
) -> None:
    partial = user.cache / "blobs" / f"{digest(LARGE)}.wiz.incomplete"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * (len(LARGE) + 1))
    assert content(await user.fetch()) == LARGE


async def test_a_partial_file_of_something_else_is_found_out(
    user: HubUser, hub: StandInHub
) -> None:
    partial = user.cache / "blobs" / f"{digest(LARGE)}.wiz.incomplete"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 1000)
    assert content(await user.fetch()) == LARGE
    assert "damaged" in user.notices[0]


async def test_a_flipped_byte_is_found_and_the_file_fetched_again(
    user: HubUser, hub: StandInHub
) -> None:
    hub.faults = [Fault("corrupt", 1234)]
    assert content(await user.fetch()) == LARGE
    assert "fetching it again" in user.notices[0]
    assert len(hub.asked_for("GET", "store")) == 2


async def test_a_file_damaged_twice_is_refused_and_removed(user: HubUser, hub: StandInHub) -> None:
    hub.faults = [Fault("corrupt", 1234), Fault("corrupt", 4321)]
    error = await user.failure()
    assert isinstance(error, ChecksumMismatch)
    assert digest(LARGE)[:12] in error.message
    assert user.unfinished() == []
    assert len(hub.asked_for("GET", "store")) == 2


async def test_a_signed_address_that_ran_out_is_asked_for_again(
    user: HubUser, hub: StandInHub
) -> None:
    hub.faults = [Fault("fin", 1 << 20), Fault("refuse")]
    assert content(await user.fetch()) == LARGE


async def test_a_store_that_keeps_refusing_is_an_error(user: HubUser, hub: StandInHub) -> None:
    hub.faults = [Fault("refuse")] * 9
    assert isinstance(await user.failure(), HubAccessDenied)


async def test_a_store_in_trouble_is_asked_again(user: HubUser, hub: StandInHub) -> None:
    hub.store_statuses = [503, 500, (429, {"Retry-After": "1"})]
    assert content(await user.fetch()) == LARGE
    assert "1 s" in user.notices[0]


async def test_patience_ends(user: HubUser, hub: StandInHub) -> None:
    hub.faults = [Fault("fin", 1 << 20)] + [Fault("stall")] * 9
    error = await user.failure(patience_s=2.0)
    assert "1,048,576 of 6,291,456 bytes are here" in error.message
    assert "goes on" in error.hint
    hub.faults.clear()
    assert content(await user.fetch()) == LARGE
    assert hub.asked_for("GET", "store")[-1].range == "bytes=1048576-"


async def test_a_cancel_takes_half_a_second_and_keeps_what_came(
    user: HubUser, hub: StandInHub
) -> None:
    hub.bytes_per_s = 1e6
    task = asyncio.create_task(user.fetch())
    await user.until_begun()
    began_s = time.monotonic()
    user.cancelled.set()
    with pytest.raises(OperationCancelled):
        await task
    assert time.monotonic() - began_s < 0.5
    (partial,) = user.unfinished()
    assert partial.name.endswith(".wiz.incomplete")


async def test_a_cancelled_task_takes_its_child_along(user: HubUser, hub: StandInHub) -> None:
    hub.bytes_per_s = 3e5
    task = asyncio.create_task(user.fetch())
    await user.until_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []


async def test_a_cancel_before_the_first_byte_is_a_cancel(user: HubUser) -> None:
    user.cancelled.set()
    with pytest.raises(OperationCancelled):
        await user.fetch()


async def test_a_child_does_not_outlive_its_parent(user: HubUser, hub: StandInHub) -> None:
    hub.bytes_per_s = 3e5
    script = (
        "import asyncio; from wiz_kernel_ext.hub.download import download\n"
        "asyncio.run(download('wiz/models', 'dir/large.gguf', on_progress=print,"
        " cancelled=asyncio.Event()))"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script), env=user.environment, stdout=subprocess.DEVNULL
    )
    await user.until_begun()
    (child,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_one_who_waits_for_another_goes_on_when_that_is_killed(
    user: HubUser, hub: StandInHub
) -> None:
    hub.bytes_per_s = 1e6
    other = HubUser(user.home, hub.url)
    first = asyncio.create_task(user.fetch())
    await user.until_begun(1 << 20)
    second = asyncio.create_task(other.fetch())
    await until(lambda: bool(other.progress) and other.progress[-1][0] > 0)
    user.cancelled.set()
    with pytest.raises(OperationCancelled):
        await first
    hub.bytes_per_s = None
    assert content(await second) == LARGE
    assert hub.n_sent_bytes < 1.2 * len(LARGE)


async def test_all_parts_of_a_split_model_or_an_error(user: HubUser, hub: StandInHub) -> None:
    hub.repositories["wiz/split"] = Repository({"m-00001-of-00002.gguf": b"one"})
    error = await user.failure("wiz/split", "m-00002-of-00002.gguf")
    assert "m-00002-of-00002.gguf" in error.message


async def test_what_came_of_a_download_is_discarded_and_nothing_else(
    user: HubUser, hub: StandInHub
) -> None:
    hub.bytes_per_s = 4e6
    task = asyncio.create_task(user.fetch())
    await user.until_begun(1 << 20)
    with pytest.raises(Conflict, match="another process"):
        await discard(parse_name("wiz/models/dir/large.gguf"), environment=user.environment)
    user.cancelled.set()
    with pytest.raises(OperationCancelled):
        await task
    (part,) = user.unfinished()
    other = part.with_name(f"{'0' * 64}.wiz.incomplete")
    other.write_bytes(b"another's")
    n_bytes = part.stat().st_size
    freed = await discard(parse_name("wiz/models/dir/large.gguf"), environment=user.environment)
    assert freed == n_bytes
    assert user.unfinished() == [other]
    assert await discard(parse_name("wiz/models/small.gguf"), environment=user.environment) == 0
