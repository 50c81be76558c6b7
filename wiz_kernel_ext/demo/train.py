"""Training: a schedule in minutes, checkpoints to go on from, more of what still fails."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from tokenizers import Tokenizer

from .batches import Batch, Batches, rendered
from .corpus import Author, Writer
from .muon import Muon
from .network import Llama, Shape
from .tokenizer import train_tokenizer

log = logging.getLogger(__name__)

_TOKENIZER_DIALOGUES = 8000
_WARM_UP_STEPS = 60
_COPY_SHARE = 0.08  # the first part of the time: copy tasks only
_DECAY_FROM = 0.35  # then the learning rate falls to 1 % in a line
_LONG_FROM = 0.5  # long conversations cost the most; they come in the second half
_LONG_SHARE = 0.005
_MEMORY = 0.99  # of the running accuracy per skill


@dataclass(frozen=True)
class Plan:
    """What a training run is: its time, its batches, its learning rates, its seed."""

    minutes: float = 60.0
    batch_tokens: int = 3072
    matrix_lr: float = 0.02
    other_lr: float = 4e-3
    threads: int = 2
    seed: int = 0


class Trainer:
    """A network, its optimizers and how far they have come.

    Args:
        clock: seconds, counted as training time between two calls.
    """

    def __init__(
        self,
        plan: Plan,
        shape: Shape,
        tokenizer: Tokenizer,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        torch.manual_seed(plan.seed)
        torch.set_num_threads(plan.threads)
        self.plan, self.shape, self.tokenizer = plan, shape, tokenizer
        self.network = Llama(shape)
        named = list(self.network.named_parameters())
        matrices = [p for name, p in named if p.dim() == 2 and "embed" not in name]
        others = [p for name, p in named if p.dim() != 2 or "embed" in name]
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=plan.matrix_lr),
            torch.optim.AdamW(others, lr=plan.other_lr, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.minutes = 0.0
        self.steps = 0
        self.tokens = 0
        self.accuracy: dict[str, float] = {}
        self._clock = clock

    @property
    def progress(self) -> float:
        """Share of the planned time that has passed, from 0 to 1."""
        return self.minutes / self.plan.minutes

    def run(self, save_to: Path, save_every_minutes: float = 3.0) -> None:
        """Train until the planned minutes are over, saving now and then."""
        seed = random.Random(f"{self.plan.seed}/{self.steps}").getrandbits(48)
        author = Author(Writer(seed), warm_up=self.progress < _COPY_SHARE)
        author.focus(self.accuracy)
        batches = Batches(
            author,
            self.tokenizer,
            tokens=self.plan.batch_tokens,
            context=self.shape.context,
            seed=self.plan.seed + self.steps,
        )
        last, saved = self._clock(), self.minutes
        for batch in batches:
            self._step(batch)
            now = self._clock()
            self.minutes += (now - last) / 60
            last = now
            author.warm_up = self.progress < _COPY_SHARE
            batches.long_share = _LONG_SHARE if self.progress > _LONG_FROM else 0.002
            if self.steps % 20 == 0:
                author.focus(self.accuracy)
            if self.steps % 100 == 0:
                log.info("%s", self.report())
            if self.minutes - saved > save_every_minutes or self.progress >= 1:
                self.save(save_to)
                saved = self.minutes
            if self.progress >= 1:
                return

    def report(self) -> str:
        """Return one line: how far, how fast, and the share of right answers per skill."""
        skills = " ".join(f"{k}={100 * v:.0f}" for k, v in sorted(self.accuracy.items()))
        speed = self.tokens / max(self.minutes * 60, 1e-9)
        return (
            f"{self.minutes:.1f} min, step {self.steps}, {self.tokens} tokens ({speed:.0f}/s), "
            f"rate {self._rate():.3f}: {skills}"
        )

    def _rate(self) -> float:
        warm = min(1.0, (self.steps + 1) / _WARM_UP_STEPS)
        return warm * min(1.0, max(0.01, (1 - self.progress) / (1 - _DECAY_FROM)))

    def _step(self, batch: Batch) -> None:
        rate = self._rate()
        for optimizer, base in zip(
            self.optimizers, (self.plan.matrix_lr, self.plan.other_lr), strict=True
        ):
            optimizer.param_groups[0]["lr"] = base * rate
        target, weight, answer = batch.ids[:, 1:], batch.weights[:, 1:], batch.answers[:, 1:]
        used = weight > 0
        logits = self.network.logits(self.network.hidden(batch.ids[:, :-1])[used])
        losses = F.cross_entropy(logits, target[used], reduction="none")
        loss = (losses * weight[used]).sum() / weight[used].sum()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        self.tokens += int((batch.ids > 0).sum())  # 0 pads
        self._mark(logits.argmax(-1) != target[used], answer[used], batch.skills)

    def _mark(self, wrong: torch.Tensor, answer: torch.Tensor, skills: list[str]) -> None:
        """Note which answers were right in every token: what greedy decoding would say."""
        mistakes = torch.zeros(len(skills) + 1).index_add_(0, answer, wrong.float())[1:]
        for skill, count in zip(skills, mistakes.tolist(), strict=True):
            old = self.accuracy.get(skill, 0.0)
            self.accuracy[skill] = _MEMORY * old + (1 - _MEMORY) * (count == 0)

    def save(self, path: Path) -> None:
        """Write a checkpoint that `load` can continue."""
        state = {
            "shape": asdict(self.shape),
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "tokenizer": self.tokenizer.to_str(),
            "progress": [self.minutes, self.steps, self.tokens, self.accuracy],
        }
        unfinished = path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint made with the same shape and tokenizer."""
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.minutes, self.steps, self.tokens, self.accuracy = state["progress"]


def tokenizer_texts(seed: int) -> Iterable[str]:
    """Yield rendered conversations for the tokenizer."""
    author = Author(Writer(seed))
    for _ in range(_TOKENIZER_DIALOGUES):
        yield "".join(segment.text for segment in rendered(author.dialogue()))


def train(plan: Plan, checkpoint: Path, shape: Shape | None = None) -> Trainer:
    """Train from the start, or continue the checkpoint if there is one; return what came of it."""
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        trainer = Trainer(plan, Shape(**state["shape"]), Tokenizer.from_str(state["tokenizer"]))
        trainer.load(state)
    else:
        tokenizer = train_tokenizer(tokenizer_texts(plan.seed))
        trainer = Trainer(plan, shape or Shape(), tokenizer)
    trainer.run(checkpoint)
    return trainer
