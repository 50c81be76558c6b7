"""`python -m wiz_kernel_ext.engine_check.probe '{"extraBuffers": false}' [--sockets-first]`.

Answers a prompt with the demo model and says the answer, and each stage before it begins it, so
that whoever started this knows where it died. A process of its own, since a bad build ends it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import wiz_kernel_ext
from wiz_kernel_ext.engine.backend import Backend, Batch, ContextParameters, LoadParameters
from wiz_kernel_ext.engine.sampling import Stage as SamplerStage
from wiz_kernel_ext.engine.way import Way

Stage = Literal["import", "load", "context", "decode"]

MODEL = Path(wiz_kernel_ext.__file__).parent / "demo" / "wiz-demo-q8_0.gguf"
PROMPT = (
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n"
    "<|im_start|>assistant\nThe capital of France is Paris.<|im_end|>\n"
    "<|im_start|>user\nCount from 1 to 10.<|im_end|>\n"
    "<|im_start|>assistant\n"
)
ANSWER = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
"""Each token leads the next best by 6.6 or more: no way of rounding turns one into another."""
_MOST_TOKENS = 48
_SOCKETS_FIRST = "--sockets-first"


def answer(backend: Backend, way: Way, reached: Callable[[Stage], object]) -> str:
    """What the demo model answers, greedily; `reached` is told each stage as it begins."""
    reached("load")
    offloads = backend.supports_gpu_offload and way.gpu
    parameters = LoadParameters(gpu_layers=-1 if offloads else 0, extra_buffers=way.extra_buffers)
    model = backend.load(str(MODEL), parameters, lambda fraction: True)
    reached("context")
    # Two threads, though the demo would have one: what other models do is what is in question.
    context = model.create_context(
        ContextParameters(
            pool_size=256, sequence_ids=1, batch_size=128, threads=1 if way.one_thread else 2
        )
    )
    reached("decode")
    tokens, position, text = model.tokenize(PROMPT, parse_special=True), 0, b""
    sampler = context.make_sampler([SamplerStage("greedy")])
    for _ in range(_MOST_TOKENS):
        batch = Batch()
        batch.add(0, position, tokens, n_outputs=1)
        context.decode(batch)
        position += len(tokens)
        token = context.sample(sampler, len(tokens) - 1)
        if model.ends_generation(token):
            break
        text += model.piece(token)
        tokens = [token]
    context.free_sampler(sampler)
    context.close()
    model.close()
    return text.decode("utf-8", "replace")


def run(make_backend: Callable[[], Backend], way: Way) -> None:
    """Be the child: say stages and answer in lines."""
    from wiz_kernel_ext.children.in_child import Speaker, end_with_parent, leave_no_core
    from wiz_kernel_ext.out_of_memory import go_first

    go_first()
    leave_no_core()
    speaker = Speaker()
    speaker.notice("import")
    backend = make_backend()
    end_with_parent()
    speaker.result(answer(backend, way, speaker.notice))


def _llama_backend() -> Backend:
    from wiz_kernel_ext.engine.llama.backend import LlamaBackend

    return LlamaBackend()


if __name__ == "__main__":
    if _SOCKETS_FIRST in sys.argv:
        # As in a notebook's kernel, where the engine comes last: some CUDA builds die of that.
        import wiz_kernel_ext.transport.zmq_links
    import msgspec

    run(_llama_backend, msgspec.json.decode(sys.argv[1], type=Way))
