"""Text that is safe on a terminal: nothing in it moves a cursor, sets a title or fills a clipboard.

What a model, a hub, a file's metadata or a person wrote may hold control sequences. Everything of
ours that is printed passes here, once: the terminal's streams, IPython's drawings and the errors.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# C0 but tab and newline, DEL, C1; and the marks that turn the order of a line's letters round.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")
_IN_LINE = re.compile("[\t\n]")


def printable(text: str) -> str:
    r"""`text` with each control character as an escape that can be read (`\x1b`)."""
    return _CONTROL.sub(_escaped, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`printable`, and nothing that would leave the line or its column."""
    return _IN_LINE.sub(_escaped, printable(text))


def json_safe(encoded: str) -> str:
    """JSON whose strings hold no control characters but as JSON's own escapes."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", encoded)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def encodable(text: str, stream: Any) -> str:
    """`text` as `stream` can write it: what its encoding lacks, as escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:  # an encoding Python does not know
        return text.encode("ascii", "backslashreplace").decode()
    return text


class PrintableStream:
    """A text stream that writes only what is printable; all else is the stream's it wraps."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`, made printable, in whatever encoding there is."""
        self._stream.write(encodable(printable(text), self._stream))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def control(self, sequence: str) -> None:
        """Write a control sequence of our own."""
        self._stream.write(sequence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def printable_streams() -> Iterator[None]:
    """Within the block nothing but printable text reaches standard output and error."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (PrintableStream(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def write_control(stream: Any, sequence: str) -> None:
    """Write a control sequence of our own to a stream, wrapped or not."""
    write = stream.control if isinstance(stream, PrintableStream) else stream.write
    write(sequence)
    stream.flush()
