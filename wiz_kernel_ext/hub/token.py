"""A hub token given by hand: put where every Hugging Face tool looks for it, for its owner only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from wiz_kernel_ext.errors import BadRequest, HubAccessDenied


def token_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the token is kept, by the variables that Hugging Face's tools read."""
    if file := environment.get("HF_TOKEN_PATH"):
        return Path(file).expanduser()
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return Path(home).expanduser() / "token"


def keep_token(token: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Keep `token`, readable by its owner only, in place of an older one; returns where.

    Raises BadRequest for what is no token, HubAccessDenied where it cannot be kept.
    """
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadRequest(
            "That is no token.", hint="One begins with hf_ and has no blanks.", field="token"
        )
    file = token_file(environment)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(token)
        part.replace(file)
    except OSError as error:
        raise HubAccessDenied(
            f"The token cannot be kept in {file}: {error.strerror}.",
            hint="Set HF_TOKEN instead, or move it with HF_TOKEN_PATH.",
        ) from None
    return file
