"""The bench of answers that follow a schema: that it runs, and that its rules are what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.constraints import command, speed
from benchmarks.constraints.corpus import sampled
from benchmarks.constraints.process import Ask, Asked, Got
from benchmarks.engine.contenders import Kind
from benchmarks.engine.contenders.process import Setup
from tests.corpora.schemas import CORPUS
from tests.corpora.schemas.case import Case
from tests.corpora.schemas.verdicts import Outcome, judge

SETUP = Setup(model="none", n_ctx=8, n_threads=1, n_streams=1, n_sequences=1)
SCRIPTED = """
import json, sys, time
for line in sys.stdin:
    order = json.loads(line)
    if "load" in order:
        print(json.dumps({"seconds": 0.5}), flush=True)
        continue
    (ask,) = order["work"]["asks"]
    if ask["text"] == "die":
        sys.exit(3)
    if ask["text"] == "hang":
        time.sleep(60)
    answers = [{"text": "1", "is_whole": True, "first_s": 0.25, "n_tokens": 1}]
    print(json.dumps({"answers": answers, "seconds": 1.0}), flush=True)
"""
INTEGERS = Case("integers", {"type": "integer"})
REFUSED = Case("not", {"not": {}}, refused="not|hm")


def test_one_that_dies_or_hangs_is_started_again() -> None:
    asked = Asked(Kind("it", "peer", [sys.executable, "-c", SCRIPTED]), SETUP)
    try:
        assert asked.start() == 0.5
        endings = [
            asked.ask([Ask(text=text)], 1.0).outcomes[0].ending for text in ("die", "hang", "")
        ]
        assert endings == ["crashed", "hung", ""]
        got = asked.ask([Ask(text="")], 5.0)
        assert (got.first_s, got.seconds, got.n_tokens) == (0.25, 1.0, 1)
    finally:
        asked.close()


@pytest.mark.parametrize(
    ("case", "outcome", "verdict"),
    [
        (INTEGERS, Outcome(text="12"), "valid"),
        (INTEGERS, Outcome(text="x"), "invalid"),
        (INTEGERS, Outcome(text="1.5"), "invalid"),
        (INTEGERS, Outcome(text="", is_incomplete=True), "incomplete"),
        (INTEGERS, Outcome(refusal="no"), "refused wrongly"),
        (INTEGERS, Outcome(ending="hung"), "hung"),
        (REFUSED, Outcome(refusal="`Not` cannot be"), "refused rightly"),
        (REFUSED, Outcome(refusal="it is HM"), "refused rightly"),
        (REFUSED, Outcome(refusal="something else"), "refused, not named"),
        (REFUSED, Outcome(text="1"), "invalid"),
        (REFUSED, Outcome(ending="crashed"), "crashed"),
    ],
)
def test_an_outcome_is_judged(case: Case, outcome: Outcome, verdict: str) -> None:
    assert judge(case, outcome)[0] == verdict


def test_a_sample_is_always_the_same() -> None:
    assert sampled(CORPUS, 5) == sampled(CORPUS, 5)
    assert len({case.name for case in sampled(CORPUS, 5)}) == 5
    assert sampled(CORPUS, None) == CORPUS


def test_a_ratio_is_of_speeds_after_the_first_token() -> None:
    samples = speed.Samples()
    samples.add("a", 3.0)
    samples.add("a", 1.0)
    samples.add("a", 2.0)
    assert (samples.median("a"), samples.median("b")) == (2.0, None)
    one = Got([Outcome(text="x", n_tokens=11)], first_s=1.0, seconds=2.0)
    assert speed._speed(one) == 10.0


def test_ours_in_brief(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "constraints.json"
    command.main(["--brief", "--contenders", "ours", "--json", str(file)])
    said = capsys.readouterr().out
    assert "| ours | greedy |" in said and "one stream, constrained ÷ free" in said
    (found,) = json.loads(file.read_text()).values()
    assert found["left_out"] == {}
    for way in ("greedy", "hot"):
        verdicts = found["corpus"][f"ours, {way}"]["verdicts"]
        assert sum(verdicts.values()) == 12
        assert "valid" in verdicts and "hung" not in verdicts and "crashed" not in verdicts
    assert set(found["speed"]["ours"]) == set(speed.measures())
