"""Which layers go on which card: the sums, by hand, and with cards of every size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.gguf_file.header import Header, read_file_header
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.models.fit import Use, compute_bytes, kv_bytes
from wiz_kernel_ext.models.placement import Placement, place
from wiz_kernel_ext.protocol.devices import Device
from wiz_kernel_ext.protocol.requests import CreateContext

MIB = 2**20
MARGIN = 512 * MIB
USE = Use.asked(CreateContext(), on_card=True)
SHAPE = Shape(n_layers=8, width=256, n_ffn=1024, n_vocab=4000, n_ctx_train=8192)


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> Header:
    return read_file_header(write_tiny_gguf(tmp_path_factory.mktemp("m") / "m.gguf", SHAPE))


def card(free_bytes: int, name: str = "CUDA0") -> Device:
    return Device(
        name=name, description="A Card", kind="gpu", free_bytes=free_bytes, total_bytes=free_bytes
    )


def needed(header: Header, use: Use = USE) -> int:
    """What all layers take of one card."""
    (share,) = place(header, use, [card(2**40)], gpu_layers=-1).shares
    return share.needed_bytes - share.margin_bytes + MARGIN


def test_everything_of_a_model_is_counted_once(header: Header) -> None:
    whole = place(header, USE, [card(2**40)])
    (share,) = whole.shares
    sizes = {tensor.name: tensor.size_bytes for tensor in header.tensors}
    assert share.weights_bytes == sum(sizes.values()) - sizes["token_embd.weight"]
    shape = model_shape(header)
    assert share.kv_bytes == kv_bytes(shape, USE)
    assert share.compute_bytes == compute_bytes(shape, USE)
    assert (whole.n_layers, whole.n_on_cards, whole.gpu_layers) == (9, 9, -1)
    assert whole.is_whole and not whole.notices


def test_a_tied_output_is_a_second_copy_of_the_embedding(tmp_path: Path, header: Header) -> None:
    tied = read_file_header(write_tiny_gguf(tmp_path / "t.gguf", replace(SHAPE, tied=True)))
    assert not any(tensor.name == "output.weight" for tensor in tied.tensors)
    (one,), (other,) = (
        place(tied, USE, [card(2**40)]).shares,
        place(header, USE, [card(2**40)]).shares,
    )
    assert one.weights_bytes == other.weights_bytes


def test_layers_go_on_the_card_down_to_the_one_that_does_not_fit(header: Header) -> None:
    use = replace(USE, context_size=4096)
    all_bytes = needed(header, use)
    assert place(header, use, [card(all_bytes)]).n_on_cards == 9
    placed = place(header, use, [card(all_bytes - 1)])
    assert placed.n_on_cards == 8
    assert placed.gpu_layers == 8
    assert placed.fits
    (notice,) = placed.notices
    assert "8 of 9 layers fit" in notice
    assert "CUDA0" in notice
    # One layer less is one layer's weights and KV less.
    (share,) = placed.shares
    assert needed(header, use) - share.needed_bytes >= kv_bytes(model_shape(header), use) // 8


def test_a_context_nobody_asked_for_gives_way_before_a_layer_does(header: Header) -> None:
    free = needed(header, replace(USE, context_size=2048))
    assert free < needed(header)
    placed = place(header, USE, [card(free)])
    assert (placed.context_size, placed.n_on_cards) == (2048, 9)
    (notice,) = placed.notices
    assert "The context is 2048 tokens" in notice
    assert "`--ctx 4096`" in notice
    asked = place(header, replace(USE, context_size=4096), [card(free)])
    assert asked.context_size == 4096
    assert asked.n_on_cards < 9
    assert f"{asked.n_on_cards} of 9 layers there" in notice
    # And not below what a conversation needs.
    least = place(header, USE, [card(free - 1)])
    assert (least.context_size, least.n_on_cards < 9) == (4096, True)


def test_nothing_fits_on_a_full_card(header: Header) -> None:
    for free in (0, 100 * MIB):
        placed = place(header, USE, [card(free)])
        assert (placed.n_on_cards, placed.gpu_layers, placed.fits) == (0, 0, True)
        assert "0 of 9 layers fit" in placed.notices[0]


def test_several_cards_share_by_their_free_memory_and_each_must_have_room(header: Header) -> None:
    cards = [card(3 * 2**30, "CUDA0"), card(2**30, "CUDA1")]
    placed = place(header, USE, cards, gpu_layers=8)
    # llama.cpp: layer i of 8 goes on the first card whose part of the free memory ends above i/8.
    assert [share.n_layers for share in placed.shares] == [6, 2]
    whole = place(header, USE, cards)
    assert [share.n_layers for share in whole.shares] == [7, 2]
    assert whole.shares[1].weights_bytes > whole.shares[0].weights_bytes // 7 * 2  # the output
    assert sum(share.kv_bytes for share in whole.shares) == pytest.approx(
        kv_bytes(model_shape(header), USE), abs=16
    )
    full = place(header, USE, [card(2**34, "CUDA0"), card(0, "CUDA1")])
    assert [share.n_layers for share in full.shares] == [9, 0]
    assert full.shares[1].needed_bytes == 0


def fits(placed: Placement) -> bool:
    return all(
        share.n_layers == 0
        or share.weights_bytes + share.kv_bytes + share.compute_bytes + share.margin_bytes
        <= share.device.free_bytes
        for share in placed.shares
    )


@pytest.mark.parametrize("n_cards", [1, 2, 3])
def test_whatever_is_free_what_is_placed_fits_and_one_more_layer_does_not(
    header: Header, n_cards: int
) -> None:
    use = replace(USE, context_size=4096)
    for step in range(30):
        cards = [card((450 + 13 * step * (i + 1)) * MIB, f"CUDA{i}") for i in range(n_cards)]
        placed = place(header, use, cards)
        assert fits(placed)
        assert sum(share.n_layers for share in placed.shares) == placed.n_on_cards
        if not placed.is_whole:
            assert not fits(place(header, use, cards, gpu_layers=placed.n_on_cards + 1))


def test_what_was_asked_for_is_placed_and_what_does_not_fit_is_said(header: Header) -> None:
    free = needed(header) // 2 + MARGIN // 2
    placed = place(header, USE, [card(free)], gpu_layers=-1)
    assert (placed.gpu_layers, placed.fits) == (-1, False)
    most = place(header, replace(USE, context_size=4096), [card(free)]).n_on_cards
    assert f"about {most} of 9 fit" in placed.notices[0]
    assert place(header, USE, [card(2**40)], gpu_layers=100).n_on_cards == 9
    assert place(header, USE, [card(2**40)], gpu_layers=3).gpu_layers == 3


def test_a_split_models_layers_are_taken_for_alike(header: Header) -> None:
    total = 100 * header.size_bytes
    (share,) = place(header, USE, [card(2**40)], gpu_layers=5, files_bytes=total).shares
    assert share.weights_bytes == 5 * (total // 9)


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Header:
    shape = replace(SHAPE, n_layers=2, width=128, n_ffn=256)
    return read_file_header(write_tiny_gguf(tmp_path_factory.mktemp("d") / "d.gguf", shape))


def beside(draft: Header, use: Use) -> int:
    """What all layers of a draft take of a card where a model is already."""
    return needed(draft, use) - MARGIN


def test_a_draft_goes_beside_the_model_down_to_the_byte_that_is_missing(
    header: Header, draft: Header
) -> None:
    use = replace(USE, context_size=4096)
    free = needed(header, use) + beside(draft, use)
    placed = place(header, use, [card(free)], draft=draft)
    assert placed.draft is not None
    assert (placed.n_on_cards, placed.draft.n_on_cards, placed.notices) == (9, 3, ())
    ((own,), (of_draft,)) = placed.shares, placed.draft.shares
    assert own.needed_bytes + of_draft.needed_bytes == free
    assert of_draft.margin_bytes == 0
    assert of_draft.device.free_bytes == free - own.needed_bytes
    assert of_draft.kv_bytes == kv_bytes(model_shape(draft), use)
    sizes = {tensor.name: tensor.size_bytes for tensor in draft.tensors}
    assert placed.draft.host_weights_bytes == sizes["token_embd.weight"]

    placed = place(header, use, [card(free - 1)], draft=draft)
    assert placed.draft is not None
    assert (placed.n_on_cards, placed.draft.n_on_cards, placed.fits) == (9, 0, True)
    assert placed.draft.host_weights_bytes == sum(sizes.values())
    (notice,) = placed.notices
    assert "The draft does not fit beside the model" in notice
    assert "The processor computes it" in notice
    assert "`--ctx 2048`" in notice


def test_a_draft_takes_no_layer_of_the_model_its_place(header: Header, draft: Header) -> None:
    use = replace(USE, context_size=4096)
    for free in range(needed(header, use) // 2 + MARGIN // 2, needed(header, use), 10 * MIB):
        alone = place(header, use, [card(free)])
        placed = place(header, use, [card(free)], draft=draft)
        assert placed.n_on_cards == alone.n_on_cards
        assert placed.draft is not None and placed.draft.n_on_cards in (0, 3)
    for n in (0, 3, -1):
        placed = place(header, use, [card(2**40)], gpu_layers=n, draft=draft)
        assert placed.draft is not None
        assert placed.draft.n_on_cards == (3 if n else 0)
    full = place(header, use, [card(0)], draft=draft)
    assert full.draft is not None
    assert full.draft.n_on_cards == 0
    assert len(full.notices) == 1  # of the model alone: its draft is where it is


def test_a_context_nobody_asked_for_gives_way_to_a_draft_too(header: Header, draft: Header) -> None:
    use = replace(USE, context_size=2048)
    free = needed(header, use) + beside(draft, use)
    placed = place(header, USE, [card(free)], draft=draft)
    assert placed.draft is not None
    assert (placed.context_size, placed.n_on_cards, placed.draft.n_on_cards) == (2048, 9, 3)
    (notice,) = placed.notices
    assert "all layers, also the draft's, fit" in notice
    asked = place(header, replace(USE, context_size=4096), [card(free)], draft=draft)
    assert asked.draft is not None
    assert f"{asked.n_on_cards} of 9 layers there" in notice
    assert ("and the draft on the processor" in notice) is (asked.draft.n_on_cards == 0)
    less = place(header, USE, [card(free - 1)], draft=draft)
    assert less.draft is not None
    assert less.draft.n_on_cards == 0


@pytest.mark.parametrize("n_cards", [1, 2, 3])
def test_a_draft_on_several_cards_fits_on_each(header: Header, draft: Header, n_cards: int) -> None:
    seen = set()
    for step in range(60):
        cards = [card((450 + 9 * step * (i + 1)) * MIB, f"CUDA{i}") for i in range(n_cards)]
        placed = place(header, replace(USE, context_size=4096), cards, draft=draft)
        assert placed.draft is not None
        seen.add(placed.draft.n_on_cards)
        for own, other, device in zip(placed.shares, placed.draft.shares, cards, strict=True):
            assert own.needed_bytes + other.needed_bytes <= device.free_bytes
            assert not other.n_layers or own.margin_bytes + other.margin_bytes >= MARGIN
    assert seen == {0, 3}


def test_more_of_a_big_card_is_left_to_its_library(header: Header) -> None:
    def margin(total: int) -> int:
        device = Device(
            name="CUDA0", description="", kind="gpu", free_bytes=total, total_bytes=total
        )
        return place(header, USE, [device], gpu_layers=1).shares[0].margin_bytes

    assert [margin(gib << 30) // MIB for gib in (4, 12, 80)] == [512, 768, 1024]
