"""What a hub answers is bounded in bytes, headers and time; what is no answer is a typed error."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_hub import OK, Answer, HostileHub, said
from tests.support.hub_user import HubUser, children
from wiz_kernel_ext.errors import DownloadFailed, HubUnreachable, WizError
from wiz_kernel_ext.hub.checkpoints import fetch_checkpoint
from wiz_kernel_ext.hub.collections import Collections
from wiz_kernel_ext.hub.fetch.bounds import MAX_ANSWER_BYTES
from wiz_kernel_ext.hub.inspection import inspect
from wiz_kernel_ext.hub.search import list_repo, search
from wiz_kernel_ext.models.names import parse_name

Ask = Callable[[HubUser], Awaitable[Any]]
MB = 1 << 20


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[HostileHub, HubUser]]:
    """A hub whose answer a test sets, and its user."""
    with HostileHub(said({})) as hub:
        user = HubUser(tmp_path / "hf", hub.url)
        yield hub, user
    assert children() == []


async def a_search(user: HubUser) -> Any:
    return await search("x", environment=user.environment)


async def a_fitting_search(user: HubUser) -> Any:
    return await search("x", fits=True, environment=user.environment)


async def a_listing(user: HubUser) -> Any:
    return await list_repo("u/r", environment=user.environment)


async def an_inspection(user: HubUser) -> Any:
    return await inspect(parse_name("u/r/m-Q8_0.gguf"), environment=user.environment)


async def a_collection(user: HubUser) -> Any:
    collections = Collections(user.home / "data", environment=user.environment)
    return await collections.add("x", "u/x-0123456789abcdef01234567")


async def a_download(user: HubUser) -> Any:
    return await user.fetch("u/r", "m-Q8_0.gguf", patience_s=2.0)


async def a_checkpoint(user: HubUser) -> Any:
    return await fetch_checkpoint(
        parse_name("u/r"),
        on_progress=lambda done, total: None,
        cancelled=user.cancelled,
        environment=user.environment,
    )


# One for each way in which the hub is asked, and those that ask in several.
ASKS: list[Ask] = [a_search, a_listing, a_collection, a_download]
ALSO: list[Ask] = [a_fitting_search, an_inspection, a_checkpoint]


def endless() -> Iterator[bytes]:
    yield OK + b"\r\n"
    while True:
        yield b"[" * MB


def endless_chunks() -> Iterator[bytes]:
    yield OK + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"100000\r\n" + b" " * MB + b"\r\n"


def endless_error() -> Iterator[bytes]:
    yield b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n"
    while True:
        yield b" " * MB


def endless_redirection() -> Iterator[bytes]:
    yield b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n"
    while True:
        yield b" " * MB


def many_headers() -> Iterator[bytes]:
    fields = b"".join(b"X-Header-%05d: %s\r\n" % (n, b"x" * 80) for n in range(8000))
    yield OK + b"Content-Length: 2\r\nConnection: close\r\n" + fields + b"\r\n[]"


def endless_headers() -> Iterator[bytes]:
    yield OK
    while True:
        yield b"X-Header: " + b"x" * 8000 + b"\r\n"


def bomb() -> Iterator[bytes]:
    packed = gzip.compress(b" " * 256 * MB, 1)
    yield OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


WITHOUT_END: list[Answer] = [
    endless,
    endless_chunks,
    endless_error,
    endless_redirection,
    many_headers,
    endless_headers,
    bomb,
]
DROPS = {"body": OK + b"Content-Length: 9999\r\n\r\n[", "headers": OK, "status": b"H"}
MORE = {"body": b"[", "headers": b"X-More: 1\r\n", "status": b"T"}
DRIPPED: list[tuple[str, Ask]] = [
    ("body", a_search),
    ("headers", a_search),
    ("status", a_search),
    ("headers", a_download),
]
N_AT_ONCE = 4
"""For each a stall is a second, and an answer's end 6."""


@dataclass(frozen=True)
class Asked:
    """What became of asking a hub of its own, how long that took, and how much it had to say."""

    ended: object
    took_s: float
    hub: HostileHub
    home: Path

    @classmethod
    async def of(cls, hub: HostileHub, home: Path, ask: Ask) -> Asked:
        with hub:
            began = time.monotonic()
            user = HubUser(home, hub.url)
            (ended,) = await asyncio.gather(ask(user), return_exceptions=True)
            return cls(ended, time.monotonic() - began, hub, home)


def all_at_once(folder: Path, asks: list[tuple[HostileHub, Ask]]) -> list[Asked]:
    """What became of each: some at a time, since most of it is waiting."""

    async def asked() -> list[Asked]:
        places = asyncio.Semaphore(N_AT_ONCE)

        async def one(number: int, hub: HostileHub, ask: Ask) -> Asked:
            async with places:
                return await Asked.of(hub, folder / f"{number}", ask)

        return await asyncio.gather(*(one(number, *case) for number, case in enumerate(asks)))

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def without_end(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Answer, Ask], Asked]:
    """What became of everybody who asked a hub that answers without an end."""
    cases = [(answer, ask) for answer in WITHOUT_END for ask in ASKS]
    asks = [(HostileHub(answer), ask) for answer, ask in cases]
    return dict(zip(cases, all_at_once(tmp_path_factory.mktemp("hf"), asks), strict=True))


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("answer", WITHOUT_END, ids=lambda answer: answer.__name__)
def test_an_answer_without_end_is_given_up(
    without_end: dict[tuple[Answer, Ask], Asked], answer: Answer, ask: Ask
) -> None:
    asked = without_end[answer, ask]
    assert isinstance(asked.ended, WizError), asked.ended
    assert type(asked.ended).__name__ != "InternalError"
    assert asked.ended.hint
    assert asked.took_s < 60
    # Some of it lies in the sockets' buffers.
    assert asked.hub.n_sent_bytes < asked.hub.n_asked * (MAX_ANSWER_BYTES + 16 * MB)
    assert not list(asked.home.rglob("*.gguf"))
    assert children() == []


@pytest.fixture(scope="module")
def dripped(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Ask], Asked]:
    """What became of everybody who asked a hub that answers drop by drop."""

    def hub_of(part: str) -> HostileHub:
        def drops() -> Iterator[bytes]:
            yield DROPS[part]
            while hub.sleep(0.3):
                yield MORE[part]

        hub = HostileHub(drops)
        return hub

    asks = [(hub_of(part), ask) for part, ask in DRIPPED]
    return dict(zip(DRIPPED, all_at_once(tmp_path_factory.mktemp("hf"), asks), strict=True))


@pytest.mark.parametrize(("part", "ask"), DRIPPED)
def test_an_answer_drop_by_drop_is_given_up(
    dripped: dict[tuple[str, Ask], Asked], part: str, ask: Ask
) -> None:
    asked = dripped[part, ask]
    assert asked.took_s < 40
    assert isinstance(asked.ended, HubUnreachable | DownloadFailed), asked.ended
    assert children() == []


WRONG: list[Any] = [
    None,
    [],
    {},
    3,
    "text",
    True,
    [None],
    [[]],
    [{"id": 3}],
    [{"id": "../../etc"}],
    {"siblings": 3},
    {"siblings": {"a": 1}},
    {"siblings": [None, 3, "x", {"rfilename": 3}, {"size": 3}]},
    {"sha": 3, "siblings": [{"rfilename": "m-Q8_0.gguf", "size": "big", "lfs": []}]},
    {"sha": None, "siblings": [{"rfilename": "m-Q8_0.gguf", "size": -5, "lfs": {"sha256": 5}}]},
    {"siblings": [{"rfilename": "m-Q8_0.gguf", "size": 10**30}], "tags": 3, "gated": {}},
    {"siblings": [{"rfilename": "m-Q8_0.gguf", "size": 1e300}], "tags": [3, None]},
    {"items": 3},
    {"items": [None, {"type": "model"}, {"type": "model", "id": 3}]},
    b"",
    b"<html>log in</html>",
    b"\xff\xfe",
    b'{"siblings": [{"rfilename": "\\ud800.gguf"}]}',
    b"[" * 100_000,
    b'{"siblings": NaN}',
    b"9" * 100_000,
]


@pytest.mark.parametrize("ask", [*ASKS, *ALSO], ids=lambda ask: ask.__name__)
async def test_wrong_types_are_typed_errors_or_nothing_found(tmp_path: Path, ask: Ask) -> None:
    places = asyncio.Semaphore(N_AT_ONCE)

    async def asked(number: int, value: Any) -> None:
        async with places:
            with HostileHub(said(value)) as hub:
                user = HubUser(tmp_path / f"{number}", hub.url)
                try:
                    await ask(user)
                except WizError as error:
                    assert type(error).__name__ != "InternalError", value
                    assert error.hint
        assert not list(user.home.rglob("*.gguf")), value

    values = WRONG if ask in (a_search, a_listing) else WRONG[::4]
    await asyncio.gather(*(asked(number, value) for number, value in enumerate(values)))
    assert children() == []


async def test_one_odd_hit_hides_itself_and_no_other(
    hostile: tuple[HostileHub, HubUser],
) -> None:
    hub, user = hostile
    good = {"id": "u/good", "downloads": 3, "gguf": {"total": 7}, "tags": ["license:mit"]}
    odd: list[Any] = [
        {"id": "u/odd", "downloads": "many", "likes": None, "gguf": 3, "tags": "x"},
        {"id": "u/odder", "lastModified": "yesterday", "gguf": {"total": -1, "architecture": 3}},
    ]
    hub.answer = said([None, {"id": 3}, *odd, {"id": "../up"}, good])
    hits = await search("x", environment=user.environment)
    assert [hit.repo for hit in hits] == ["u/odd", "u/odder", "u/good"]
    assert (hits[0].downloads, hits[1].updated_at, hits[2].licence) == (0, 0.0, "mit")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Linked-Size": "-5"},
        {"X-Linked-Size": "many"},
        {"X-Linked-Etag": "../../x"},
        {"X-Repo-Commit": "../../x"},
        {"Retry-After": "²"},
    ],
)
async def test_wrong_headers_of_a_file_are_typed_errors(
    hostile: tuple[HostileHub, HubUser], headers: dict[str, str]
) -> None:
    hub, user = hostile
    right = {
        "X-Repo-Commit": "a" * 40,
        "X-Linked-Etag": '"' + "b" * 64 + '"',
        "X-Linked-Size": "10",
        "Content-Length": "10",
    }

    def answer() -> Iterator[bytes]:
        lines = "".join(f"{name}: {value}\r\n" for name, value in (right | headers).items())
        status = "503 No" if "Retry-After" in headers else "200 OK"
        yield f"HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n".encode()

    hub.answer = answer
    error = await user.failure("u/r", "m-Q8_0.gguf", patience_s=1.0)
    assert isinstance(error, HubUnreachable | DownloadFailed)
    assert not list(user.home.rglob("*.gguf"))
