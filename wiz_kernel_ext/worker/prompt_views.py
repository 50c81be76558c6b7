"""What a model would read, and how long a text is for it; on the threads that encode prompts."""

from __future__ import annotations

from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.prompt_views import Count, ShownPrompt, ShowPrompt
from wiz_kernel_ext.worker.fitting import Fitting
from wiz_kernel_ext.worker.loaded import encode
from wiz_kernel_ext.worker.model_host import ModelHost


def shown(host: ModelHost, messages: list[ChatMessage], request: ShowPrompt) -> ShownPrompt:
    """What `request` would have the model read.

    Raises ContextOverflow where something was to be left out and even so it does not fit,
    ModelNotLoaded, ContextNotLoaded.
    """
    with host.reading(context=True) as loaded:
        encoded = Fitting(host, messages, request).shown()
        info = loaded.context_info
        return ShownPrompt(
            text=encoded.chat.text_of(encoded.tokens),
            tokens=encoded.tokens,
            n_tokens=len(encoded.tokens),
            context_size=info.context_size if info else 0,
            begun=encoded.begun,
            left_out=encoded.left_out,
        )


def counted(host: ModelHost, request: Count) -> int:
    """How many tokens the text or the messages of `request` are; raises ModelNotLoaded."""
    with host.reading(context=False) as loaded:
        if request.text is not None:
            return len(loaded.model.tokenize(request.text, parse_special=False))
        messages = request.messages or []
        return len(encode(loaded, messages, request.tools, request.chat_template).tokens)
