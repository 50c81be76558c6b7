"""A panel's state: revisions, and what of a change a page is told."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.notebook.widgets.shared_state import SharedState, difference


class Lamp(msgspec.Struct, frozen=True, kw_only=True):
    """A state of every kind of part."""

    on: bool | None = None
    text: str = ""
    rows: list[Any] = []


class Page:
    """A page that applies what it is told as `page/state.js` does."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {}
        self.revision = 0

    def take(self, message: dict[str, Any]) -> None:
        self.told.append(message)
        if message["since"] == 0:
            self.state = dict(message["state"])
        else:
            assert message["since"] == self.revision
            self.state = applied(self.state, message)
        self.revision = message["revision"]


def applied(state: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    grown = message.get("grown", {})
    return {
        **state,
        **message.get("state", {}),
        **{name: state[name] + tail for name, tail in grown.items()},
    }


PARTS = st.fixed_dictionaries(
    {
        "on": st.sampled_from([None, False, True]),
        "text": st.text("ab", max_size=4),
        "rows": st.lists(st.integers(0, 1), max_size=4),
    }
)


@given(before=PARTS, after=PARTS)
def test_a_difference_leads_from_any_state_to_any_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    changed = {name: new for name, new in after.items() if new != before[name]}
    assert applied(before, difference(before, changed)) == after


def test_who_comes_late_has_what_those_have_who_saw_every_change() -> None:
    early = Page()
    state = SharedState(Lamp(), early.take)
    state.tell("early")
    story: list[dict[str, Any]] = [
        {"on": True},
        {"text": "on"},
        {"text": "on and"},
        {"text": "on and on", "rows": [1]},
        {"rows": [1, 2], "on": None},
        {"rows": []},
        {"text": "off"},
    ]
    for parts in story:
        state.change(**parts)
        late = Page()
        SharedState.tell(state, "late")
        late.take(early.told[-1])
        assert (late.state, late.revision) == (early.state, early.revision)
        assert late.state == msgspec.structs.asdict(state.now)


def test_what_only_grew_is_told_by_its_end_and_what_did_not_change_not_at_all() -> None:
    page = Page()
    state = SharedState(Lamp(), page.take)
    state.tell("view")
    n_told = 0
    for n in range(1000):
        state.change(text=state.now.text + f"word {n} ", rows=[])
        n_told += len(str(page.told[-1]))
    assert page.state["text"] == state.now.text
    assert n_told < 20 * len(state.now.text)
    assert state.change(text=state.now.text) == frozenset()
    assert len(page.told) == 1001
    assert state.change(on=True, text=state.now.text) == {"on"}


def test_changes_of_many_threads_arrive_in_the_order_of_their_revisions() -> None:
    page = Page()
    state = SharedState(Lamp(), page.take)
    state.tell("view")

    def change(n: int) -> None:
        for i in range(200):
            state.change(on=bool(i % 2), text=f"{n} {i}")

    threads = [threading.Thread(target=change, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert page.state == msgspec.structs.asdict(state.now)
    assert [told["revision"] for told in page.told[1:]] == list(range(2, len(page.told) + 1))
