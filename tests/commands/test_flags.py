"""Flags made from the protocol's structs: none is missing, and each takes what the wire takes."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from wiz_kernel_ext.commands.flags import (
    add_flags,
    context_flags,
    given,
    model_flags,
    sampling_flags,
    seconds,
)
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.options import PromptOptions

ALL = {**sampling_flags(), **model_flags(), **context_flags()}

HUGE = "12345678901234567890"


def parse(*argv: str) -> dict[str, Any]:
    """What the sampling flags make of a command line."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_flags(parser, sampling_flags().values())
    return given(parser.parse_args(argv), sampling_flags().values())


def test_every_sampling_option_of_the_protocol_has_a_flag_with_a_meaning() -> None:
    flags = sampling_flags()
    assert set(flags) == set(PromptOptions.__struct_fields__)
    assert all(flag.help and flag.name.startswith("--") for flag in flags.values())


def test_flags_of_the_model_and_of_the_context_have_the_names_people_know() -> None:
    names = {flag.name for flag in ALL.values()}
    assert {"--ctx", "--gpu-layers", "--threads", "--seqs", "--keep-alive"} <= names


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("temperature", "0", 0.0),
        ("temperature", "0.7", 0.7),
        ("top_k", "40", 40),
        ("seed", "4294967295", 4294967295),
        ("repeat_last_n", "-1", -1),
        ("presence_penalty", "-1.5", -1.5),
        ("gpu_layers", "auto", "auto"),
        ("gpu_layers", "-1", -1),
        ("context_size", "8192", 8192),
        ("context_size", "8k", 8192),
        ("context_size", "8K", 8192),
        ("context_size", "8_192", 8192),
        ("context_size", "1m", 1 << 20),
        ("max_tokens", "2k", 2048),
        ("batch_size", "1_024", 1024),
        ("repeat_last_n", "1k", 1024),
        ("kv_type", "q8_0", "q8_0"),
        ("keep_alive_s", "90", 90.0),
        ("keep_alive_s", "30m", 1800.0),
        ("keep_alive_s", "-1", -1.0),
        ("keep_alive_s", "forever", -1.0),
        ("logit_bias", "12=-3.5", ("12", -3.5)),
        ("logit_bias", "a=b=1", ("a=b", 1.0)),
        ("stop", "", ""),
    ],
)
def test_a_flag_reads_what_the_wire_takes(field: str, text: str, value: object) -> None:
    assert ALL[field].read(text) == value


@pytest.mark.parametrize(
    ("field", "text", "takes"),
    [
        ("temperature", "hot", "a number from 0.0 to 100.0"),
        ("temperature", "nan", "a number from 0.0 to 100.0"),
        ("temperature", "-0.1", "a number from 0.0 to 100.0"),
        ("dry_multiplier", "inf", "a number of at least 0.0"),
        ("top_k", "1.5", "a whole number from 0 to 2147483647"),
        ("max_tokens", "0", "a whole number from 1 to 2147483647"),
        ("seed", "4294967296", "a whole number from 0 to 4294967295"),
        ("repeat_penalty", "0", "a number above 0.0, up to 10.0"),
        ("gpu_layers", "some", "a whole number from -1 to 2147483647 or 'auto'"),
        ("gpu_layers", HUGE, "a whole number from -1 to 2147483647 or 'auto'"),
        ("max_tokens", HUGE, "a whole number from 1 to 2147483647"),
        ("context_size", HUGE, "a whole number from 8 to 2147483647"),
        ("context_size", "4096m", "a whole number from 8 to 2147483647"),
        ("seed", "8k", "a whole number from 0 to 4294967295"),
        ("kv_type", "q9", "'bf16' or 'f16' or 'f32' or 'q4_0' or 'q8_0'"),
        ("keep_alive_s", "soon", "seconds, or a time like 30m or 2h, or forever"),
        ("logit_bias", "12", "KEY=VALUE, with a number"),
        ("logit_bias", "12=nan", "KEY=VALUE, with a number"),
    ],
)
def test_a_flag_says_what_it_takes_instead(field: str, text: str, takes: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        ALL[field].read(text)
    assert str(caught.value) == f"takes {takes}, not {text!r}"


def test_options_of_several_values_add_up() -> None:
    assert parse("--stop", "a", "--stop", "b c", "--logit-bias", "1=2", "--logit-bias", "x=-1") == {
        "stop": ["a", "b c"],
        "logit_bias": {"1": 2.0, "x": -1.0},
    }


def test_what_is_not_given_is_not_sent() -> None:
    assert parse("--top-k", "0") == {"top_k": 0}
    assert build(PromptOptions, parse()) == PromptOptions()


@pytest.mark.parametrize(("text", "value"), [("1d", 86400.0), ("2H", 7200.0), (" 5s ", 5.0)])
def test_times_have_units(text: str, value: float) -> None:
    assert seconds(text) == value
