"""A screenshot as a PNG of at most 256 colours: a third of the size, and the same to the eye.

The browser decodes it and counts the colours; the file is written here.
"""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

COUNT = """async encoded => {
    const bytes = Uint8Array.from(atob(encoded), c => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], {type: 'image/png'}));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, image.width, image.height).data;
    const counts = new Map();
    const at = i => (pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2];
    for (let i = 0; i < pixels.length; i += 4) counts.set(at(i), (counts.get(at(i)) ?? 0) + 1);
    const palette = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, 256);
    const far = (a, b) => [16, 8, 0].reduce((sum, s) => sum + (((a >> s) & 255) - ((b >> s) & 255)) ** 2, 0);
    const nearest = new Map();
    for (const color of counts.keys()) {
        let best = 0;
        palette.forEach((one, i) => { if (far(one, color) < far(palette[best], color)) best = i; });
        nearest.set(color, best);
    }
    let text = '';
    for (let i = 0; i < pixels.length; i += 4) text += String.fromCharCode(nearest.get(at(i)));
    return {width: image.width, height: image.height, palette, indices: btoa(text)};
}"""  # noqa: E501


def shrink(tab: Any, file: Path) -> None:
    """Write the picture in `file` anew, smaller; `tab` is a page of a browser."""
    found = tab.evaluate(COUNT, base64.b64encode(file.read_bytes()).decode())
    width, height = found["width"], found["height"]
    indices = base64.b64decode(found["indices"])
    rows = b"".join(b"\0" + indices[y * width : (y + 1) * width] for y in range(height))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(color.to_bytes(3, "big") for color in found["palette"])),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )
    )
