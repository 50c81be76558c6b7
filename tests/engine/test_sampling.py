"""Options become llama.cpp's chain, in llama.cpp's order."""

from __future__ import annotations

import math

import pytest

from wiz_kernel_ext.engine.sampling import Sampling, Stage, plan_sampling
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.options import PromptOptions


def plan(**options: object) -> Sampling:
    return plan_sampling(
        PromptOptions(**options),  # type: ignore[arg-type]
        seed=7,
        context_size=100,
        n_vocab=50,
        token_of={"the": 3}.get,
    )


TOP = (Stage("top_k", (40,)), Stage("top_p", (0.95,)), Stage("min_p", (0.05,)))
PICK = (Stage("temp", (0.8,)), Stage("dist", (7,)))


@pytest.mark.parametrize(
    ("options", "stages"),
    [
        ({}, (*TOP, *PICK)),
        ({"temperature": 0.0}, (Stage("greedy"),)),
        ({"temperature": 0.0, "mirostat": 2}, (Stage("greedy"),)),
        ({"seed": 9}, (*TOP, PICK[0], Stage("dist", (9,)))),
        ({"top_k": 0, "top_p": 1.0, "min_p": 0.0}, PICK),
        ({"typical_p": 0.5}, (TOP[0], Stage("typical", (0.5,)), *TOP[1:], *PICK)),
        ({"xtc_probability": 0.5}, (*TOP, Stage("xtc", (0.5, 0.1, 7)), *PICK)),
        ({"mirostat": 1}, (PICK[0], Stage("mirostat", (7, 5.0, 0.1, 100)))),
        ({"mirostat": 2, "mirostat_tau": 3.0}, (PICK[0], Stage("mirostat_v2", (7, 3.0, 0.1)))),
        (
            {"repeat_penalty": 1.1, "temperature": 0.0},
            (Stage("penalties", (64, 1.1, 0.0, 0.0)), Stage("greedy")),
        ),
        (
            {"presence_penalty": 0.5, "repeat_last_n": -1, "temperature": 0.0},
            (Stage("penalties", (100, 1.0, 0.0, 0.5)), Stage("greedy")),
        ),
        ({"repeat_penalty": 1.1, "repeat_last_n": 0, "temperature": 0.0}, (Stage("greedy"),)),
        (
            {"dry_multiplier": 0.8, "dry_penalty_last_n": -1, "temperature": 0.0},
            (Stage("dry", (0.8, 1.75, 2, 100)), Stage("greedy")),
        ),
        (
            {"logit_bias": {"5": 2.0, "the": -math.inf}, "temperature": 0.0},
            (Stage("logit_bias", (((5, 2.0), (3, -math.inf)),)), Stage("greedy")),
        ),
    ],
)
def test_options_become_these_stages(options: dict[str, object], stages: tuple[Stage, ...]) -> None:
    assert plan(**options).stages == stages


def test_penalties_look_back_as_far_as_the_longest_of_them() -> None:
    assert plan(repeat_penalty=1.1).n_lookback == 64
    assert plan(repeat_penalty=1.1, dry_multiplier=1.0, dry_penalty_last_n=-1).n_lookback == 100
    assert plan().n_lookback == 0


@pytest.mark.parametrize("key", ["50", "nothing", "", "-1", "²"])
def test_a_bias_on_a_token_there_is_not_is_refused_by_name(key: str) -> None:
    with pytest.raises(BadRequest, match="logitBias") as caught:
        plan(logit_bias={key: 1.0})
    assert caught.value.details["field"] == "logitBias"


@pytest.mark.parametrize("bias", [math.nan, math.inf])
def test_a_bias_that_is_no_number_is_refused(bias: float) -> None:
    with pytest.raises(BadRequest):
        plan(logit_bias={"5": bias})
