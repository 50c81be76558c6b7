"""Which layers go on which card: sums on a file's header, for what is free on each.

Pure but for `place_file`. Layers are counted as llama.cpp counts them, the output being one more;
it gives the last ones to the cards, to each as much as its share of their free memory, and so do
these sums. A model that guesses for another goes beside it as a whole, or not at all: a part of it
on the processor would be waited for at each guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from msgspec import structs

from wiz_kernel_ext.gguf_file.header import Header
from wiz_kernel_ext.gguf_file.shape import ModelShape, model_shape
from wiz_kernel_ext.models.fit import Use, compute_bytes, kv_bytes
from wiz_kernel_ext.models.headers import files_bytes, header_of
from wiz_kernel_ext.protocol.devices import Device
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.sizes import size

ALL_LAYERS = -1
SMALLEST_CONTEXT = 512
"""The smallest that is proposed."""
SMALLEST_OPEN_CONTEXT = 2048
"""Where nobody asked for a context, a smaller one that lets all layers fit goes down to this."""
_LEAST_MARGIN, _MOST_MARGIN = 1 << 29, 1 << 30
_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"


@dataclass(frozen=True)
class Share:
    """What one card would hold, in bytes; the margin is for what its library takes unasked."""

    device: Device
    n_layers: int
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    margin_bytes: int

    @property
    def needed_bytes(self) -> int:
        """All of it; nothing where it has no layer."""
        parts = self.weights_bytes + self.kv_bytes + self.compute_bytes + self.margin_bytes
        return parts if self.n_layers else 0

    @property
    def fits(self) -> bool:
        """Whether the card has room for it."""
        return self.needed_bytes <= self.device.free_bytes


@dataclass(frozen=True)
class Placement:
    """How a model is spread: `n_on_cards` of `n_layers` layers are on cards, with `use`.

    `host_weights_bytes` are those left to the processor, the embedding always. `notices` are what
    its users should know of it. `draft` is the model that guesses for it: of its shares, a device's
    free memory is what this one leaves of it.
    """

    n_layers: int
    n_on_cards: int
    use: Use
    context_size: int
    shares: tuple[Share, ...]
    host_weights_bytes: int
    notices: tuple[str, ...] = ()
    draft: Placement | None = None

    @property
    def fits(self) -> bool:
        """Whether every card has room for its part, and the draft's."""
        return all(share.fits for share in self.shares) and (self.draft is None or self.draft.fits)

    @property
    def gpu_layers(self) -> int:
        """The number to load with; -1 for all."""
        return ALL_LAYERS if self.is_whole else self.n_on_cards

    @property
    def is_whole(self) -> bool:
        """Whether all layers are on cards."""
        return self.n_on_cards == self.n_layers


class _Layers:
    """The weights of a model by layer, in bytes: its blocks in order, then the output."""

    def __init__(self, header: Header, shape: ModelShape, files_bytes: int) -> None:
        self.shape = shape
        self._embedding, by_layer = _weights(header, shape, files_bytes)
        self.n = len(by_layer)
        self._up_to = [0, *accumulate(by_layer)]

    def weights(self, start: int, end: int) -> int:
        """The weights of layers `start` up to `end`."""
        return self._up_to[end] - self._up_to[start]

    def kv(self, start: int, end: int, use: Use) -> int:
        """Their KV memory; the output has none."""
        n_blocks = min(end, self.n - 1) - min(start, self.n - 1)
        return kv_bytes(self.shape, use) * n_blocks // max(self.n - 1, 1)

    def placed(
        self,
        n_on_cards: int,
        cards: Sequence[Device],
        use: Use,
        *,
        weighed: Sequence[int] | None = None,
    ) -> Placement:
        """The last `n_on_cards` layers on `cards`, as llama.cpp splits them.

        `weighed` is what is free on each when it does; None: what is free now.
        """
        up_to = list(accumulate(weighed or [card.free_bytes for card in cards]))
        ends = [-(-free * n_on_cards // (up_to[-1] or 1)) for free in up_to[:-1]]
        ends.append(n_on_cards)
        first, compute = self.n - n_on_cards, compute_bytes(self.shape, use)
        return Placement(
            self.n,
            n_on_cards,
            use,
            use.context_for(self.shape.n_ctx_train),
            tuple(
                Share(
                    card,
                    end - start,
                    self.weights(first + start, first + end),
                    self.kv(first + start, first + end, use),
                    compute if end > start else 0,
                    _margin(card) if end > start else 0,
                )
                for card, start, end in zip(cards, [0, *ends], ends, strict=False)
            ),
            self._embedding + self.weights(0, first),
        )

    def most(self, cards: Sequence[Device], use: Use) -> Placement:
        """As many layers on `cards` as there is room for."""
        counts = range(self.n, -1, -1)
        return next(one for n in counts if (one := self.placed(n, cards, use)).fits)

    def whole(
        self, cards: Sequence[Device], use: Use, least: int, draft: _Layers | None = None
    ) -> Placement | None:
        """All of them, with the largest context that lets them fit, by halves down to `least`.

        With `draft`, all of that one's too.
        """
        size = use.context_for(self.shape.n_ctx_train)
        placed = _beside(self.placed(self.n, cards, use), draft)
        while not placed.fits and size // 2 >= least:
            size //= 2
            placed = _beside(self.placed(self.n, cards, replace(use, context_size=size)), draft)
        return placed if placed.fits else None


def place(
    header: Header,
    use: Use,
    cards: Sequence[Device],
    *,
    gpu_layers: int | None = None,
    files_bytes: int = 0,
    draft: Header | None = None,
    draft_bytes: int = 0,
) -> Placement:
    """The layers of a model on `cards`: `gpu_layers` of them (-1: all), or None for what fits.

    With None, as many as there is room for; where a context that nobody asked for is all that keeps
    some out, a smaller one. `files_bytes` is the size of all parts of a split model.

    `draft` guesses for it: all of it goes beside where there is room, and takes none of the model's
    layers their place. `draft_bytes` is as `files_bytes`.
    """
    layers = _Layers(header, model_shape(header), files_bytes)
    if draft is None:
        return _alone(layers, use, cards, gpu_layers)
    guessing, both = _Layers(draft, model_shape(draft), draft_bytes), None
    if gpu_layers is None:
        both = layers.whole(cards, use, SMALLEST_CONTEXT, guessing)
        if both is not None and both.use == use:
            return both
        if both is not None and _may_shrink(use, both):
            kept = _beside_if_it_fits(layers.most(cards, use), guessing)
            return replace(both, notices=(_shrunk(both, kept),))
    return _beside_if_it_fits(_alone(layers, use, cards, gpu_layers), guessing, both)


def _alone(layers: _Layers, use: Use, cards: Sequence[Device], gpu_layers: int | None) -> Placement:
    if gpu_layers is not None:
        n = layers.n if gpu_layers < 0 else min(gpu_layers, layers.n)
        placed = layers.placed(n, cards, use)
        return replace(placed, notices=_asked_for(placed, layers.most(cards, use)))
    whole = layers.whole(cards, use, SMALLEST_CONTEXT)
    if whole is not None and whole.use == use:
        return whole
    most = layers.most(cards, use)
    if whole is not None and _may_shrink(use, whole):
        return replace(whole, notices=(_shrunk(whole, most),))
    return replace(most, notices=(_partly(most, whole),))


def _may_shrink(use: Use, whole: Placement) -> bool:
    return use.context_size is None and whole.context_size >= SMALLEST_OPEN_CONTEXT


def _beside(placed: Placement, draft: _Layers | None) -> Placement:
    """`placed` with all layers of `draft` on its cards, fit or not.

    llama.cpp splits the draft by what is free once the model's weights are there, before either
    has a context. What a card's library takes is counted once.
    """
    if draft is None:
        return placed
    left = [
        structs.replace(
            share.device, free_bytes=max(0, share.device.free_bytes - share.needed_bytes)
        )
        for share in placed.shares
    ]
    weighed = [max(0, share.device.free_bytes - share.weights_bytes) for share in placed.shares]
    use = replace(placed.use, context_size=placed.context_size)
    beside = draft.placed(draft.n, left, use, weighed=weighed)
    shares = tuple(
        replace(share, margin_bytes=0) if other.n_layers else share
        for share, other in zip(beside.shares, placed.shares, strict=True)
    )
    return replace(placed, draft=replace(beside, shares=shares))


def _beside_if_it_fits(
    placed: Placement, draft: _Layers, both: Placement | None = None
) -> Placement:
    """`placed` with `draft` on its cards, or where there is no room, on the processor.

    Where `placed` has nothing on cards, the draft has neither. `both` is how all would fit.
    """
    beside = _beside(placed, draft)
    assert beside.draft is not None
    if placed.n_on_cards and beside.draft.fits:
        return beside
    off = draft.placed(0, [share.device for share in beside.draft.shares], beside.draft.use)
    notices = placed.notices
    if placed.n_on_cards:
        notices = (*notices, _not_beside(beside.draft, both))
    return replace(placed, draft=off, notices=notices)


def layers_asked(load: LoadModel) -> int | None:
    """The layers that `load` wants on cards (-1: all); None for what fits."""
    return None if load.gpu_layers == "auto" else load.gpu_layers


def place_file(
    path: Path, load: LoadModel, context: CreateContext, cards: Sequence[Device]
) -> Placement:
    """The layers of the model at `path`, loaded so for such a context; raises as `header_of`."""
    draft = Path(load.draft) if load.draft else None
    return place(
        header_of(path),
        Use.asked(context, on_card=True),
        cards,
        gpu_layers=layers_asked(load),
        files_bytes=files_bytes(path),
        draft=header_of(draft) if draft else None,
        draft_bytes=files_bytes(draft) if draft else 0,
    )


def _weights(header: Header, shape: ModelShape, files_bytes: int) -> tuple[int, list[int]]:
    """The embedding's bytes, and those of each block and the output."""
    n_blocks = max(shape.n_layers, 0)
    if files_bytes > 1.5 * header.size_bytes:  # a split model: the other parts' names are not here
        return 0, [files_bytes // (n_blocks + 1)] * (n_blocks + 1)
    sizes, embedding, has_output = [0] * (n_blocks + 1), 0, False
    for tensor in header.tensors:
        group, _, rest = tensor.name.partition(".")
        number, _, _ = rest.partition(".")
        if group == "blk" and number.isdecimal() and int(number) < n_blocks:
            sizes[int(number)] += tensor.size_bytes
        elif tensor.name == _EMBEDDING:
            embedding = tensor.size_bytes
        else:
            sizes[-1] += tensor.size_bytes
            has_output |= tensor.name == _OUTPUT
    # A model without an output of its own has a second copy of the embedding where that would be.
    sizes[-1] += 0 if has_output else embedding
    return embedding, sizes


def _margin(card: Device) -> int:
    return min(_MOST_MARGIN, max(_LEAST_MARGIN, card.total_bytes // 16))


def _free(placed: Placement) -> str:
    return ", ".join(f"{size(s.device.free_bytes)} of {s.device.name}" for s in placed.shares)


def _shrunk(whole: Placement, most: Placement) -> str:
    all_layers = "all layers" if whole.draft is None else "all layers, also the draft's,"
    off = most.n_on_cards and most.draft is not None and not most.draft.n_on_cards
    return (
        f"The context is {whole.context_size} tokens, so that {all_layers} fit in what is free "
        f"({_free(whole)}). `--ctx {most.context_size}` keeps {most.context_size}, with "
        f"{most.n_on_cards} of {most.n_layers} layers there"
        + (" and the draft on the processor." if off else ".")
    )


def _partly(most: Placement, whole: Placement | None) -> str:
    smaller = (
        f"All fit with `--ctx {whole.context_size}`."
        if whole
        else "A smaller file (another quantization) or unloading other models makes room for more."
    )
    return (
        f"{most.n_on_cards} of {most.n_layers} layers fit in what is free ({_free(most)}): the "
        f"processor computes the rest, which is slower. {smaller}"
    )


def _not_beside(draft: Placement, both: Placement | None) -> str:
    needed = sum(share.needed_bytes for share in draft.shares)
    smaller = (
        f"It fits there with `--ctx {both.context_size}`." if both else "A smaller draft may fit."
    )
    return (
        f"The draft does not fit beside the model: it takes {size(needed)} there, and what is left "
        f"is {_free(draft)}. The processor computes it, which is slower. {smaller}"
    )


def _asked_for(placed: Placement, most: Placement) -> tuple[str, ...]:
    if placed.fits:
        return ()
    return (
        f"{placed.n_on_cards} layers are asked for, and about {most.n_on_cards} of "
        f"{most.n_layers} fit in what is free ({_free(placed)}). Without `--gpu-layers` as many "
        "are taken as fit.",
    )
