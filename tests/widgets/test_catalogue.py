"""Models as plain values for a page."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.making.quantize import QUANTS
from wiz_kernel_ext.notebook.widgets import catalogue
from wiz_kernel_ext.protocol.hub import Deletion, Fit, LibraryModel, RepoHit, RepoListing, RepoModel

FIT = Fit(
    verdict="tight",
    context_size=4096,
    weights_bytes=4 << 30,
    repacked_bytes=2 << 30,
    kv_bytes=1 << 30,
    compute_bytes=1 << 28,
    other_bytes=1 << 27,
    needed_bytes=8 << 30,
    least_bytes=6 << 30,
    available_bytes=9 << 30,
)


def test_a_card_says_what_the_hub_tells_and_no_more() -> None:
    hit = RepoHit(repo="u/r", n_params=1_500_000_000, downloads=12_345, licence="mit")
    assert catalogue.card(hit)["facts"] == "1.5 B parameters · licence mit · 12.3 k downloads"
    assert catalogue.card(RepoHit(repo="u/r"))["facts"] == ""


def test_a_model_has_a_verdict_for_every_context_there_is_to_choose() -> None:
    drawn = dict(zip(catalogue.CONTEXTS, catalogue.fits(FIT, 0), strict=True))
    assert drawn[4096]["text"] == "8.0 GB of 9.0 GB"
    assert drawn[4096]["share"] == pytest.approx(8 / 9)
    verdicts = [one["verdict"] for one in drawn.values()]
    assert verdicts == ["fits"] * 4 + ["tight"] + ["too big"] * 4


def test_no_context_beyond_the_trained_one_is_reckoned_with() -> None:
    drawn = dict(zip(catalogue.CONTEXTS, catalogue.fits(FIT, 2048), strict=True))
    assert drawn[2048]["note"] == ""
    assert drawn[8192]["note"] == "with 2,048 tokens: it was not trained for more"
    assert drawn[8192]["text"] == drawn[2048]["text"]


def test_a_listing_marks_what_is_here_what_is_suggested_and_what_could_be_converted() -> None:
    model = RepoModel(
        name="u/r:Q4_K_M", repo="u/r", quant="Q4_K_M", files=[], size_bytes=1 << 30, downloaded=True
    )
    listing = RepoListing(
        repo="u/r", revision="main", commit="c", models=[model], suggested="u/r:Q4_K_M"
    )
    drawn = catalogue.files(listing)
    assert drawn["models"][0] == {
        "name": "u/r:Q4_K_M",
        "quant": "Q4_K_M",
        "size": "1.0 GB",
        "here": True,
        "fits": None,
        "suggested": True,
    }
    assert not drawn["convertible"]
    bare = RepoListing(
        repo="u/r",
        revision="main",
        commit="c",
        models=[],
        has_config=True,
        safetensors_bytes=2 << 30,
    )
    drawn = catalogue.files(bare)
    assert drawn["convertible"]
    assert drawn["estimate"] == "2.0 GB to download, then about 21.5 s of converting"
    assert drawn["out_types"][1] == {"type": "q8_0", "size": "1.1 GB"}


@pytest.mark.parametrize(
    ("text", "repo"),
    [
        ("qwen instruct", None),
        ("u/r", "u/r"),
        (" u/r ", "u/r"),
        ("u/r:Q4_K_M", "u/r"),
        ("https://hub.test/u/r/resolve/main/a.gguf", "u/r"),
    ],
)
def test_a_text_that_names_a_repository_is_known_for_it(text: str, repo: str | None) -> None:
    assert catalogue.named(text, "hub.test") == repo


def test_an_address_elsewhere_is_not_taken_for_a_search() -> None:
    with pytest.raises(BadRequest, match="only addresses of"):
        catalogue.named("https://elsewhere.test/u/r")


def test_only_what_is_not_quantized_yet_is_offered_to_be() -> None:
    def smaller(quant: str) -> dict[str, str]:
        model = LibraryModel(name="m", path="/m", origin="models", quant=quant, size_bytes=16 << 30)
        return {one["quant"]: one["size"] for one in catalogue.local(model)["quants"]}

    assert smaller("Q8_0") == {}
    assert smaller("BF16")["Q8_0"] == "8.5 GB"
    assert smaller("F32")["Q8_0"] == "4.2 GB"


def test_the_quants_offered_are_ones_there_are() -> None:
    assert set(catalogue.QUANTS) < set(QUANTS)


def test_a_model_here_tells_when_it_was_used_if_ever() -> None:
    model = LibraryModel(name="m", path="/m.gguf", origin="models", last_used_at=100.0)
    assert catalogue.local(model, now=160.0)["used"] == "60.0 s ago"
    assert catalogue.local(LibraryModel(name="m", path="/m", origin="demo"))["used"] == "–"


def test_a_deletion_says_what_it_frees_or_why_it_is_not_ours() -> None:
    asked = Deletion(name="m", files=["/m"], freed_bytes=1 << 20, allowed=False, reason="theirs")
    assert catalogue.deletion(asked) == {
        "name": "m",
        "path": "/m",
        "files": ["/m"],
        "freed": "1.0 MB",
        "allowed": False,
        "reason": "theirs",
    }
