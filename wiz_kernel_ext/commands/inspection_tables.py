"""What a GGUF says of itself, as a line and tables. Pure."""

from __future__ import annotations

from wiz_kernel_ext.commands.model_tables import fit_line, short_count
from wiz_kernel_ext.commands.numbers import count, shortened, size
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.protocol.hub import Inspection

VALUE_WIDTH = 80
# Told in tables and lines of their own.
TOLD_APART = "tokenizer.chat_template"
_MADE_FOR = {
    "embedding": "makes vectors (embed), cannot answer",
    "reranker": "rates texts (rerank), cannot answer",
}


def inspection_line(found: Inspection) -> str:
    """A model in one line, and whether it fits, or what it is instead of a model, in another."""
    parts = [
        found.name,
        found.title,
        size(found.size_bytes),
        found.quant,
        f"{short_count(found.n_params)} parameters" if found.n_params else "",
        count(found.n_parts, "part") if found.n_parts > 1 else "",
        _MADE_FOR.get(found.kind, ""),
        found.path,
    ]
    line = " · ".join(part for part in parts if part)
    told = found.problem or (fit_line(found.fit) if found.fit else "")
    return f"{line}\n{told}" if told else line


def inspection_tables(found: Inspection) -> list[Table]:
    """Facts, tensors by type, chat template and metadata."""
    facts = [
        ("architecture", found.architecture),
        ("kind", "" if found.kind == "text" else found.kind),
        ("layers", str(found.n_layers)),
        ("trained context", str(found.n_ctx_train)),
        ("embedding width", str(found.n_embd)),
        ("attention heads", str(found.n_heads)),
        ("experts", str(found.n_experts)),
        ("vocabulary", str(found.n_vocab)),
        ("tokenizer", found.tokenizer),
        ("special tokens", ", ".join(f"{k} {v}" for k, v in found.special_tokens.items())),
        ("licence", found.licence),
    ]
    tensors = [(group.type, str(group.count), size(group.size_bytes)) for group in found.tensors]
    template = (found.chat_template or "").splitlines()
    metadata = [
        (key, shortened(str(value), VALUE_WIDTH))
        for key, value in found.metadata.items()
        if key != TOLD_APART
    ]
    known = [fact for fact in facts if fact[1] and fact[1] != "0"]
    return [
        Table("Model", ("fact", "value"), known, ""),
        Table(f"{found.n_tensors} tensors", ("type", "count", "size"), tensors, "No tensors."),
        Table("Chat template", ("line",), [(line,) for line in template], "No chat template."),
        Table("Metadata", ("key", "value"), metadata, "No metadata."),
    ]
