"""How much is guessed, for whom, by what it costs and brings."""

from __future__ import annotations

from collections.abc import Sequence as Many

from wiz_kernel_ext.engine.detokenizer import Detokenizer
from wiz_kernel_ext.engine.drafting import Drafter, Wanted
from wiz_kernel_ext.engine.sampling import Sampling
from wiz_kernel_ext.engine.sequence import Listener, Sequence
from wiz_kernel_ext.engine.speculation import DRAFT_ROWS, Speculation


class Sure(Drafter):
    """Guesses as much as is wanted, and says how likely it is right."""

    def __init__(self, chance: float) -> None:
        self.is_right = chance

    def chance(self, number: int, tokens: Many[int]) -> float:
        return self.is_right

    def propose(self, wanted: Many[Wanted]) -> list[list[int]]:
        return [[1] * one.most for one in wanted]

    def learn(self, number: int, n_drafted: int, n_kept: int) -> None:
        pass

    def forget(self, number: int) -> None:
        pass


def answer(number: int, *drafters: Drafter, max_tokens: int | None = None) -> Sequence:
    return Sequence(
        tokens=[1, 2, 3],
        sampling=Sampling((), 0),
        detokenizer=Detokenizer(),
        listener=Listener(on_event=print, on_end=print),
        context_size=1000,
        number=number,
        n_past=2,
        drafters=drafters,
        max_tokens=max_tokens,
    )


def speculation(*drafters: Drafter, row_s: float, step_s: float = 0.01) -> Speculation:
    made = Speculation(drafters)
    for n_rows in [*range(1, 40)] * 2:
        made.learn_step(n_rows, step_s + row_s * n_rows)
    return made


def lengths(made: Speculation, answers: list[Sequence], most: int = 100) -> list[int]:
    return [len(draft) for draft in made.draft(answers, most)]


def test_the_cheaper_a_row_and_the_likelier_a_guess_the_longer_a_draft() -> None:
    for chance in (0.5, 0.8, 0.95):
        drafter = Sure(chance)
        n = [
            lengths(speculation(drafter, row_s=row_s), [answer(1, drafter)])[0]
            for row_s in (0.2, 0.004, 0.0001)
        ]
        assert n == sorted(n)
        assert n[0] == 0
        assert n[2] >= 4
    unlikely = Sure(0.1)
    assert lengths(speculation(unlikely, row_s=0.004), [answer(1, unlikely)]) == [0]


def test_never_more_than_there_is_room_for() -> None:
    drafter = Sure(1.0)
    made = speculation(drafter, row_s=0.0)
    assert lengths(made, [answer(1, drafter)]) == [DRAFT_ROWS]
    assert lengths(made, [answer(1, drafter)], 3) == [3]
    assert lengths(made, [answer(1, drafter)], 0) == [0]
    assert lengths(made, [answer(1, drafter, max_tokens=4)]) == [3]
    assert sum(lengths(made, [answer(n, drafter) for n in range(5)])) == DRAFT_ROWS


def test_one_may_be_guessed_for_as_long_as_the_others_lose_less() -> None:
    drafter = Sure(0.9)
    alone = lengths(speculation(drafter, row_s=0.003), [answer(0, drafter)])
    among = [answer(0, drafter), *(answer(n) for n in range(1, 8))]
    beside = lengths(speculation(drafter, row_s=0.003), among)
    assert alone[0] > 3
    assert beside == [0] * 8
    cheap = lengths(speculation(drafter, row_s=0.0001), among)
    assert cheap[0] > 3
    assert cheap[1:] == [0] * 7


def test_what_guessing_takes_counts() -> None:
    drafter = Sure(0.9)
    made = speculation(drafter, row_s=0.0001)
    drafter.token_s = 0.001
    assert 0 < lengths(made, [answer(1, drafter)])[0] < DRAFT_ROWS
    drafter.token_s = 0.02
    assert lengths(made, [answer(1, drafter)]) == [0]


def test_the_likelier_of_two_guesses() -> None:
    low, high = Sure(0.5), Sure(0.9)
    made = speculation(low, high, row_s=0.001)
    asked = [answer(1, low, high), answer(2, low)]
    made.draft(asked, 100)
    assert made._used[1] is high
    assert made._used.get(2, low) is low


def test_before_anything_is_measured_nothing_is_guessed() -> None:
    drafter = Sure(1.0)
    assert lengths(Speculation([drafter]), [answer(1, drafter)]) == [0]
