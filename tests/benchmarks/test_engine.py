"""The comparison with the peers: that it runs, and that its rules are what the table says."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import psutil
import pytest

from benchmarks.engine import command, rounds
from benchmarks.engine.contenders import Kind
from benchmarks.engine.contenders.process import Contender, ContenderFailed, Setup
from benchmarks.engine.plot import svg
from benchmarks.engine.quiet import ALLOWED_S, Watch, busy_cores
from benchmarks.engine.report import markdown
from benchmarks.engine.results import Results
from benchmarks.engine.rounds import Comparison, Rounds
from benchmarks.engine.works import BRIEF, Ask, Measure, Ran, Work, on_a_card, on_cores

SETUP = Setup(model="none", n_ctx=8, n_threads=1, n_streams=1, n_sequences=1)
SPEED = Measure(
    name="speed",
    unit="tokens/s",
    take=lambda ran: ran[0].n_tokens / ran[0].seconds,
    times_raw=0.97,
    times_peers=1.1,
)
WAIT = Measure(name="wait", unit="s", take=lambda ran: ran[0].first_s, times_raw=0.97, at_most=0.1)
WORK = Work("one", lambda chance: [Ask(texts=["hm"], n=10)], [SPEED, WAIT])
KINDS = [
    Kind("ours", "ours", []),
    Kind("raw loop, plain", "raw", []),
    Kind("raw loop, flash attention", "raw", []),
    Kind("other", "peer", []),
]


class Scripted(Contender):
    """Answers with what it was given; a text is what it fails with."""

    def __init__(self, name: str, *answers: Ran | str) -> None:
        self.kind = Kind(name, "peer", [])
        self.answers = [Ran(first_s=1, seconds=1, n_tokens=1), *answers]
        self.n_starts = 0

    def processes(self) -> list[psutil.Process]:
        return []

    def start(self) -> float:
        self.n_starts += 1
        return 0.0

    def ask(self, ask: Ask) -> Ran:
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            raise ContenderFailed(answer)
        return answer


def ran(n_tokens: int, seconds: float = 1.0) -> Ran:
    return Ran(first_s=seconds / 10, seconds=seconds, n_tokens=n_tokens)


def results(samples: dict[str, dict[str, list[float | None]]]) -> Results:
    return Results(
        date="2026-11-28",
        machine="this one",
        model="random",
        n_rounds=3,
        kinds=KINDS,
        measures=[SPEED, WAIT],
        comparison=Comparison(samples=samples, n_measured=9, n_noisy=2),
        left_out={"another": "not installed"},
    )


def disturb(monkeypatch: pytest.MonkeyPatch, *disturbances: str) -> None:
    said = ["", *disturbances]
    monkeypatch.setattr(Watch, "disturbance", lambda watch: said.pop(0))


def test_what_was_measured_beside_others_is_dropped_and_measured_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disturb(monkeypatch, "others", "")
    one = Scripted("one", ran(5), ran(10))
    found = Rounds([one], [WORK], print).run(1)
    assert found.samples["speed"] == {"one": [10.0]}
    assert (found.n_measured, found.n_noisy) == (2, 1)


def test_on_a_machine_that_is_never_quiet_a_sample_is_left_out_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disturb(monkeypatch, *["others"] * rounds.N_TRIES, "")
    one = Scripted("one", *[ran(5)] * rounds.N_TRIES, ran(10))
    found = Rounds([one], [WORK], print).run(2)
    assert found.samples["speed"] == {"one": [None, 10.0]}


def test_one_that_fails_is_started_again_and_the_others_go_on() -> None:
    one, two = Scripted("one", "out of luck", ran(7)), Scripted("two", ran(8), ran(8))
    found = Rounds([one, two], [WORK], print, heeds_others=False).run(2)
    assert found.samples["speed"] == {"one": [None, 7.0], "two": [8.0, 8.0]}
    assert found.failures == {"one, one": "out of luck"}
    assert (one.n_starts, two.n_starts) == (1, 0)


def test_a_contender_whose_process_ends_says_its_last_words() -> None:
    contender = Contender(
        Kind("it", "peer", [sys.executable, "-c", "raise SystemExit('hm')"]), SETUP
    )
    with pytest.raises(ContenderFailed, match="hm"):
        contender.start()
    contender.close()


def test_a_watch_counts_others_and_not_its_own() -> None:
    with busy_cores(1) as busy:
        others, own = Watch(list), Watch(lambda: busy)
        subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
        theirs_s, ours_s = others.taken_s()[0], own.taken_s()[0]
        assert theirs_s - ours_s > ALLOWED_S
        assert "other processes took" in others.disturbance()
    assert not psutil.pid_exists(busy[0].pid)


def test_ratios_are_against_the_better_raw_loop_and_the_best_peer_round_by_round() -> None:
    speeds: dict[str, list[float | None]] = {
        "ours": [90.0, None, 99.0],
        "raw loop, plain": [100.0, 5.0, 100.0],
        "raw loop, flash attention": [50.0, 50.0, 50.0],
        "other": [45.0, 45.0, 90.0],
    }
    waits: dict[str, list[float | None]] = {"ours": [0.2], "raw loop, plain": [0.1], "other": [0.4]}
    speed, wait = results({"speed": speeds, "wait": waits}).lines()
    assert speed.over_raw == pytest.approx((0.90 + 0.99) / 2)
    assert speed.over_peers == pytest.approx((2.0 + 1.1) / 2)
    assert speed.goals() == [("≥ 0.97 × raw", False), ("≥ 1.10 × peers", True)]
    # A time is a speed the other way round.
    assert wait.over_raw == pytest.approx(0.5)
    assert wait.goals() == [("≥ 0.97 × raw", False), ("≤ 0.1 s", False)]


def test_the_section_says_when_where_and_what_was_left_out() -> None:
    section = markdown(results({"speed": {"ours": [1234.0], "other": [0.5]}}))
    assert section.startswith(
        "2026-11-28, this one; random, greedy; medians of 3 rounds, in turns."
    )
    assert "2 of 9 measurements were dropped" in section
    assert "| speed, tokens/s | **1,234** | 0.5 | – | 2,468 | ≥ 1.10 × peers ✓ |" in section
    assert section.endswith("- another was left out: not installed")


def test_the_picture_has_a_dot_for_each_that_was_measured() -> None:
    picture = ElementTree.fromstring(svg(results({"speed": {"ours": [2.0], "other": [1.0]}})))
    dots = [e for e in picture.iter() if e.tag.endswith("circle")]
    assert len(dots) == 2 * 2  # with the legend's


def test_every_work_has_a_name_of_its_own() -> None:
    for works in (on_cores(), on_a_card(), on_cores(BRIEF)):
        names = [measure.name for work in works for measure in work.measures]
        assert len(set(names)) == len(names)


def test_ours_and_the_plain_loop_in_brief(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, plot = tmp_path / "engine.json", tmp_path / "engine.svg"
    words = "--brief --rounds 1 --contenders ours,raw,raw-flash --works one,long,rows,planning"
    command.main([*words.split(), "--json", str(file), "--plot", str(plot)])
    said = capsys.readouterr().out
    assert "| one stream, tokens/s | **" in said and "| Python of a step, " in said
    found = json.loads(file.read_text())
    assert not found["failures"] and not found["left_out"]
    assert len(found["works"]) == 5
    for work in found["works"].values():
        assert all(sample is not None for samples in work["samples"].values() for sample in samples)
        assert len(work["samples"]) == 3
    assert plot.read_text().startswith("<svg")
