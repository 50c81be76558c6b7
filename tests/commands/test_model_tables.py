"""Models as tables: what is told of them, and that nothing is told where nothing is known."""

from __future__ import annotations

import json

import pytest

from wiz_kernel_ext.commands import model_tables as report
from wiz_kernel_ext.commands.inspection_tables import inspection_line, inspection_tables
from wiz_kernel_ext.commands.json_values import plain
from wiz_kernel_ext.protocol.hub import (
    Aliases,
    Collection,
    Deletion,
    Fit,
    Inspection,
    LibraryModel,
    RepoFile,
    RepoHit,
    RepoListing,
    RepoModel,
    SkippedFile,
    TensorSummary,
    Verification,
)

GB = 1 << 30
FITS = Fit(
    verdict="fits", context_size=4096, weights_bytes=GB, kv_bytes=GB // 2, needed_bytes=3 * GB // 2,
    available_bytes=8 * GB,
)  # fmt: skip
TOO_BIG = Fit(
    verdict="too big", basis="size", context_size=4096, weights_bytes=40 * GB,
    needed_bytes=41 * GB, available_bytes=8 * GB, limit="cgroup",
)  # fmt: skip


def model(quant: str, size_bytes: int, fit: Fit | None = None, **more: bool) -> RepoModel:
    """A model of u/r."""
    files = [RepoFile(path=f"r-{quant}.gguf", size_bytes=size_bytes)]
    return RepoModel(
        name=f"u/r:{quant}", repo="u/r", quant=quant, files=files, size_bytes=size_bytes, fit=fit,
        **more,
    )  # fmt: skip


def listing(*models: RepoModel, **more: object) -> RepoListing:
    """A listing of u/r."""
    facts = {"repo": "u/r", "revision": "main", "commit": "c0ffee" * 6, "models": list(models)}
    return RepoListing(**{**facts, **more})  # type: ignore[arg-type]


SMALL, LARGE = model("Q4_K_M", GB, FITS, downloaded=True), model("F16", 40 * GB, TOO_BIG)


def test_a_hit_is_one_row_and_what_is_not_known_is_a_dash() -> None:
    hits = [
        RepoHit(repo="u/r", downloads=1_234_567, likes=12, n_params=494_000_000,
                licence="apache-2.0", gated=True),
        RepoHit(repo="u/bare"),
    ]  # fmt: skip
    table = report.hit_table(hits, fits=False)
    assert table.rows == [
        ("u/r", "1.2M", "12", "494.0M", "apache-2.0", "gated"),
        ("u/bare", "0", "0", "-", "-", "open"),
    ]
    assert "No repository" in report.hit_table([], fits=True).plain()


def test_a_search_for_what_fits_names_the_largest_that_does() -> None:
    tight = model("Q8_0", 7 * GB, Fit(verdict="tight"))
    table = report.hit_table([RepoHit(repo="u/r", models=[SMALL, tight, LARGE])], fits=True)
    assert table.rows[0][-3:] == ("u/r:Q8_0", "7.0 GB", "tight")
    assert len(table.rows[0]) == len(table.columns)


def test_a_repository_is_listed_with_quant_size_verdict_and_what_its_name_alone_means() -> None:
    found = listing(
        SMALL, LARGE, suggested="u/r:Q4_K_M",
        skipped=[SkippedFile(path="mmproj-r.gguf", why="mmproj", size_bytes=1024)],
    )  # fmt: skip
    models, others = report.listing_tables(found)
    assert models.rows == [
        ("u/r:Q4_K_M *", "Q4_K_M", "1.0 GB", "fits", "1.5 GB", "here"),
        ("u/r:F16", "F16", "40.0 GB", "too big", "41.0 GB", ""),
    ]
    assert models.caption == ("Models · 8.0 GB available, context 4096 · * is what u/r alone means")
    assert others.rows == [("mmproj-r.gguf", "1.0 KB", "mmproj")]
    assert [m.quant for m in report.running(found).models] == ["Q4_K_M"]
    assert report.listing_tables(found, fits=True)[0].rows == models.rows[:1]
    nothing = report.listing_tables(listing(LARGE), fits=True)[0]
    assert nothing.plain() == "No model in u/r fits."
    assert report.listing_line(found) == "u/r · commit c0ffeec0"


def test_a_checkpoint_without_a_gguf_can_be_converted_with_its_size_and_time() -> None:
    checkpoint = listing(safetensors_bytes=GB, has_config=True)
    assert report.convertible(checkpoint)
    assert "can be converted" in report.listing_tables(checkpoint)[0].plain()
    assert report.conversion_estimate(checkpoint) == (
        "1.0 GB to download, then about 12.7 s; the GGUF takes about 1.0 GB (bf16) or 542.7 MB"
        " (q8_0)"
    )
    for other in (
        listing(SMALL, safetensors_bytes=GB, has_config=True),
        listing(safetensors_bytes=GB),
        listing(has_config=True),
    ):
        assert not report.convertible(other)
    refused = listing(safetensors_bytes=GB, has_config=True, not_convertible="it has experts")
    assert not report.convertible(refused)
    assert report.without_gguf(refused).endswith("cannot be converted: it has experts.")
    assert listing() and report.without_gguf(listing()) == "u/r has no GGUF model."


@pytest.mark.parametrize(
    ("fit", "line"),
    [
        (FITS, "fits: needs 1.5 GB of 8.0 GB available (memory) for a context of 4096 "
               "(weights 1.0 GB, KV cache 512.0 MB; from its header)"),
        (TOO_BIG, "too big: needs 41.0 GB of 8.0 GB available (this container's limit) for a "
                  "context of 4096 (weights 40.0 GB; by its size)"),
    ],
)  # fmt: skip
def test_a_verdict_comes_with_its_numbers(fit: Fit, line: str) -> None:
    assert report.fit_line(fit) == line


def test_the_library_tells_names_use_and_what_is_newer() -> None:
    models = [
        LibraryModel(
            name="u/r:Q8_0", path="/c/r.gguf", origin="hub", size_bytes=GB, quant="Q8_0",
            architecture="llama", n_ctx_train=2048, last_used_at=40.0, aliases=["small"],
            is_default=True, newer=True,
        ),
        LibraryModel(name="demo", path="/p/demo.gguf", origin="demo", problem="cut off"),
    ]  # fmt: skip
    table = report.library_table(models, now=100.0)
    assert table.rows == [
        ("u/r:Q8_0", "Q8_0", "1.0 GB", "llama", "2048", "60.0 s ago", "hub cache",
         "small, default", "newer on the hub (pull --update)"),
        ("demo", "-", "0 B", "-", "-", "never", "bundled", "", "cut off"),
    ]  # fmt: skip
    assert "1.0 GB" in table.caption


def test_names_collections_and_choices_are_tables() -> None:
    names = report.alias_table(Aliases(aliases={"b": "u/b", "a": "u/a"}, default="a"))
    assert names.rows == [("a", "u/a"), ("b", "u/b"), ("(default)", "a")]
    assert "no alias" in report.alias_table(Aliases(aliases={})).plain()
    team = Collection(
        name="team", source="/t.txt", models=["u/a"], refreshed_at=90.0, problem="gone"
    )
    first, second = report.collection_tables([team], now=100.0)
    assert first.rows == [("team", "1 model", "/t.txt", "10.0 s ago", "gone")]
    assert second.rows == [("u/a",)]
    choice = {"name": "u/r:Q8_0", "quant": "Q8_0", "sizeBytes": 2048, "fit": "tight"}
    assert report.choice_table([choice]).rows == [("u/r:Q8_0", "Q8_0", "2.0 KB", "tight")]


def test_deleting_and_verifying_are_told_in_a_line() -> None:
    deletion = Deletion(name="u/r", files=["/a", "/b"], freed_bytes=GB)
    assert report.deletion_line(deletion) == "u/r: deleting 2 files frees 1.0 GB."
    assert report.deletion_line(deletion, done=True) == "u/r deleted: 2 files, 1.0 GB freed."
    assert report.verification_line(Verification(name="m", checked=2)).endswith("hub promised.")
    mixed = Verification(name="m", checked=1, unknown=["/x"])
    assert "1 more" in report.verification_line(mixed)
    assert "no sha256" in report.verification_line(Verification(name="m", checked=0))


def test_an_inspection_is_a_line_and_tables_with_long_values_cut() -> None:
    found = Inspection(
        name="u/r:Q8_0", size_bytes=GB, architecture="llama", quant="Q8_0", n_params=494_000_000,
        n_layers=24, n_tensors=3, n_parts=2, special_tokens={"bos": 1},
        tensors=[TensorSummary(type="Q8_0", count=3, size_bytes=GB)],
        chat_template="{% x %}\n{{ y }}", fit=FITS,
        metadata={"tokenizer.chat_template": "{% x %}", "general.description": "long " * 60},
    )  # fmt: skip
    line, fit = inspection_line(found).splitlines()
    assert line == "u/r:Q8_0 · 1.0 GB · Q8_0 · 494.0M parameters · 2 parts"
    assert fit.startswith("fits: ")
    facts, tensors, template, metadata = inspection_tables(found)
    assert facts.rows == [
        ("architecture", "llama"), ("layers", "24"), ("special tokens", "bos 1"),
    ]  # fmt: skip
    assert tensors.rows == [("Q8_0", "3", "1.0 GB")]
    assert template.rows == [("{% x %}",), ("{{ y }}",)]
    assert [key for key, _ in metadata.rows] == ["general.description"]
    assert metadata.rows[0][1].endswith("…")


def test_results_are_json_with_pythons_names() -> None:
    found = json.loads(json.dumps(plain([RepoHit(repo="u/r", models=[SMALL])])))
    assert found[0]["n_params"] == 0
    assert found[0]["models"][0]["fit"]["needed_bytes"] == FITS.needed_bytes
    assert plain(Aliases(aliases={"a": "b"})) == {"aliases": {"a": "b"}, "default": None}
