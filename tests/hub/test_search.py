"""Searching a hub, listing a repository, looking into a remote file, pulling by name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.hub.conftest import SMALL
from tests.support.gguf_bytes import small_model
from tests.support.hub_user import TOKEN, HubUser, content
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.errors import (
    AmbiguousModel,
    GgufInvalid,
    HubAccessDenied,
    HubNotFound,
    HubUnreachable,
)
from wiz_kernel_ext.hub.download import pull
from wiz_kernel_ext.hub.inspection import inspect
from wiz_kernel_ext.hub.search import list_repo, search
from wiz_kernel_ext.models.names import parse_name

MIXTRAL = b'{"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"}'
BIG = small_model(payload_bytes=3_000_000, n_vocab=20_000)


@pytest.fixture
def shop(hub: StandInHub) -> StandInHub:
    hub.repositories |= {
        "ann/Llama-GGUF": Repository(
            {
                "m-Q4_K_M.gguf": BIG,
                "m-Q8_0.gguf": BIG + b"\0" * 32,
                "mmproj-F16.gguf": SMALL,
                "README.md": b"# Llama",
            },
            facts={
                "downloads": 500,
                "likes": 7,
                "tags": ["gguf", "license:mit"],
                "gguf": {"total": 1_000_000, "architecture": "llama", "context_length": 2048},
            },
        ),
        "bob/llama-twins": Repository(
            {"a-Q4_K_M.gguf": SMALL, "b-Q4_K_M.gguf": SMALL}, facts={"downloads": 900}
        ),
        "cyd/llama-plain": Repository({"model.safetensors": b"x" * 100, "config.json": b"{}"}),
        "dan/llama-broken-GGUF": Repository({"m-Q8_0.gguf": b"GGUF" + b"\xff" * 400}),
    }
    return hub


async def test_a_search_tells_what_one_chooses_by(user: HubUser, shop: StandInHub) -> None:
    hits = await search("llama", environment=user.environment)
    assert [hit.repo for hit in hits] == [
        "bob/llama-twins",
        "ann/Llama-GGUF",
        "dan/llama-broken-GGUF",
    ]
    ann = hits[1]
    assert (ann.downloads, ann.likes, ann.licence, ann.gated) == (500, 7, "mit", False)
    assert (ann.n_params, ann.architecture, ann.n_ctx_train) == (1_000_000, "llama", 2048)
    assert ann.page == f"{shop.url}/ann/Llama-GGUF" and ann.updated_at > 1.7e9


async def test_a_search_for_what_fits_has_the_models(user: HubUser, shop: StandInHub) -> None:
    hits = await search("llama", limit=2, fits=True, environment=user.environment)
    assert [model.name for model in hits[1].models] == [
        "ann/Llama-GGUF:Q4_K_M",
        "ann/Llama-GGUF:Q8_0",
    ]
    assert {model.fit.verdict for hit in hits for model in hit.models if model.fit} == {"fits"}


async def test_a_search_for_what_fits_leaves_out_what_is_too_big(
    user: HubUser, shop: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wiz_kernel_ext.hub import search as module
    from wiz_kernel_ext.models.machine import Machine

    monkeypatch.setattr(module, "this_machine", lambda: Machine(available_bytes=1000))
    assert await search("llama", fits=True, environment=user.environment) == []


async def test_a_search_that_finds_nothing_is_empty(user: HubUser, shop: StandInHub) -> None:
    assert await search("nothing at all", environment=user.environment) == []


async def test_a_search_without_a_hub_says_so(user: HubUser) -> None:
    user.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    with pytest.raises(HubUnreachable, match="there is no connection"):
        await search("llama", environment=user.environment)


async def test_a_repository_that_is_gone_or_gated_does_not_end_a_search_for_what_fits(
    user: HubUser, shop: StandInHub
) -> None:
    # Anonymous users may find what they cannot look into.
    hits = await search("", fits=True, environment=user.environment)
    assert {"bob/llama-twins", "wiz/gated"} <= {hit.repo for hit in hits}
    assert "wiz/private" not in {hit.repo for hit in hits}


async def test_a_slip_in_a_files_name_is_answered_with_what_there_is(
    user: HubUser, shop: StandInHub
) -> None:
    with pytest.raises(HubNotFound, match=r"no model file m-Q4_K\.gguf") as caught:
        await pulled(user, "ann/Llama-GGUF/m-Q4_K.gguf")
    assert "ann/Llama-GGUF:Q4_K_M (3.2 MB" in caught.value.hint


async def test_a_repository_lists_its_models_with_verdicts(user: HubUser, shop: StandInHub) -> None:
    listing = await list_repo("hf:ann/Llama-GGUF", 1024, environment=user.environment)
    assert [(model.quant, model.size_bytes) for model in listing.models] == [
        ("Q4_K_M", len(BIG)),
        ("Q8_0", len(BIG) + 32),
    ]
    fit = listing.models[0].fit
    assert fit is not None
    assert (fit.verdict, fit.basis, fit.context_size) == ("fits", "header", 1024)
    assert fit.kv_bytes == 2 * 1024 * 2 * (2 * 2 * 32)
    assert listing.suggested == "ann/Llama-GGUF:Q4_K_M"
    assert [skipped.why for skipped in listing.skipped] == ["mmproj"]
    assert (listing.licence, listing.commit) == ("mit", shop.repositories["ann/Llama-GGUF"].commit)


async def test_a_repository_knows_what_is_here_already(user: HubUser, shop: StandInHub) -> None:
    await user.fetch("ann/Llama-GGUF", "m-Q8_0.gguf")
    listing = await list_repo("ann/Llama-GGUF", environment=user.environment)
    assert [model.downloaded for model in listing.models] == [False, True]


async def test_a_repository_to_convert_says_what_it_has(user: HubUser, shop: StandInHub) -> None:
    listing = await list_repo("cyd/llama-plain", environment=user.environment)
    assert (listing.models, listing.safetensors_bytes, listing.has_config) == ([], 100, True)


async def test_a_checkpoint_that_cannot_be_converted_is_listed_with_the_reason(
    user: HubUser, shop: StandInHub
) -> None:
    files = {"config.json": MIXTRAL, "model.safetensors": b"x" * 100}
    shop.repositories["eve/moe"] = Repository(files)
    listing = await list_repo("eve/moe", environment=user.environment)
    assert listing.not_convertible == "MixtralForCausalLM is a mixture of experts"
    shop.repositories["eve/moe"].files["config.json"] = b"[]"
    listing = await list_repo("eve/moe", environment=user.environment)
    assert "config.json" in listing.not_convertible


async def test_a_broken_header_does_not_hide_the_list(user: HubUser, shop: StandInHub) -> None:
    listing = await list_repo("dan/llama-broken-GGUF", environment=user.environment)
    assert listing.models[0].fit is not None and listing.models[0].fit.basis == "size"


async def test_a_remote_file_is_looked_into_by_its_header(user: HubUser, shop: StandInHub) -> None:
    name = parse_name("ann/Llama-GGUF:q8_0")
    inspection = await inspect(name, 512, environment=user.environment)
    assert (inspection.name, inspection.title) == ("ann/Llama-GGUF:Q8_0", "Little")
    assert (inspection.n_vocab, inspection.n_ctx_train, inspection.n_tensors) == (20_000, 2048, 1)
    assert inspection.chat_template == "{{ messages }}"
    assert inspection.metadata["tokenizer.ggml.tokens"] == "string[20000]"
    assert inspection.fit is not None and inspection.fit.context_size == 512
    assert shop.n_sent_bytes < 1_600_000 < len(BIG)


async def test_a_remote_file_that_is_no_gguf_is_refused(user: HubUser, shop: StandInHub) -> None:
    with pytest.raises(GgufInvalid, match=r"m-Q8_0.gguf of dan/llama-broken-GGUF"):
        await inspect(parse_name("dan/llama-broken-GGUF"), environment=user.environment)


async def test_equals_are_never_guessed(user: HubUser, shop: StandInHub) -> None:
    for name in ("bob/llama-twins", "bob/llama-twins:Q4_K_M"):
        with pytest.raises(AmbiguousModel) as caught:
            await inspect(parse_name(name), environment=user.environment)
        choices = caught.value.details["choices"]
        assert [choice["name"] for choice in choices] == [
            "bob/llama-twins/a-Q4_K_M.gguf",
            "bob/llama-twins/b-Q4_K_M.gguf",
        ]
        assert {choice["fit"] for choice in choices} == {"fits"}


async def pulled(user: HubUser, name: str) -> str:
    return await pull(
        name,
        on_progress=lambda done, total: None,
        cancelled=asyncio.Event(),
        environment=user.environment,
    )


async def test_a_name_is_pulled_with_the_best_of_its_models(
    user: HubUser, shop: StandInHub
) -> None:
    path = await pulled(user, "ann/Llama-GGUF")
    assert Path(path).name == "m-Q4_K_M.gguf" and content(path) == BIG


async def test_a_file_is_pulled_without_asking_what_else_there_is(
    user: HubUser, shop: StandInHub
) -> None:
    name = "https://huggingface.co/ann/Llama-GGUF/blob/main/mmproj-F16.gguf"
    path = await pulled(user, name)
    assert content(path) == SMALL
    assert not [asked for asked in shop.asked if "/api/models" in asked.path]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ann/Llama-GGUF:Q2_K", HubNotFound),
        ("cyd/llama-plain", HubNotFound),
        ("bob/llama-twins", AmbiguousModel),
        ("wiz/private", HubNotFound),
        ("wiz/gated", HubAccessDenied),
    ],
)
async def test_a_name_that_means_no_one_model_is_an_error(
    user: HubUser, shop: StandInHub, name: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=name.partition(":")[0]):
        await pulled(user, name)


async def test_a_token_opens_a_private_repository_for_looking(
    user: HubUser, shop: StandInHub
) -> None:
    user.environment["HF_TOKEN"] = TOKEN
    inspection = await inspect(parse_name("wiz/private"), environment=user.environment)
    assert inspection.n_vocab == 300


HOSTILE = {
    "../../evil-Q8_0.gguf": SMALL,
    "/etc/evil-Q8_0.gguf": SMALL,
    "a\\..\\evil-Q8_0.gguf": SMALL,
    "evil\0-Q8_0.gguf": SMALL,
    "NUL": SMALL,
    "con/evil-Q8_0.gguf": SMALL,
    "good-Q6_K.gguf": SMALL,
}


async def test_hostile_file_names_write_nothing_outside_the_cache(
    user: HubUser, hub: StandInHub
) -> None:
    hub.repositories["eve/evil-GGUF"] = Repository(dict(HOSTILE))
    listing = await list_repo("eve/evil-GGUF", environment=user.environment)
    assert [model.name for model in listing.models] == ["eve/evil-GGUF:Q6_K"]
    assert Path(await pulled(user, "eve/evil-GGUF")).name == "good-Q6_K.gguf"
    everything = {path for path in user.home.parent.rglob("*") if path.is_file()}
    assert {p.name for p in everything if "evil-GGUF" not in str(p)} <= {"CACHEDIR.TAG"}
    assert not [path for path in everything if path.name.startswith("evil")]


async def test_a_gated_repository_is_listed_though_its_files_may_not_be_read(
    user: HubUser,
    shop: StandInHub,
) -> None:
    shop.repositories["big/gated-GGUF"] = Repository(
        {"gated-Q8_0.gguf": bytes(1 << 20)}, gated=True
    )
    listing = await list_repo("big/gated-GGUF", environment=user.environment)
    assert listing.gated
    assert [model.quant for model in listing.models] == ["Q8_0"]
