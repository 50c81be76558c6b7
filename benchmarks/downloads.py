"""How fast a download is against curl: the same file from the same stand-in hub, in turns.

Ours verifies the sha256 and syncs to disk besides; curl only writes. The start of the child
process is left out of the rate (curl's is nothing) and told by itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure
from tests.support.stand_in_hub import Repository, StandInHub, digest
from wiz_kernel_ext.hub.download import download

SIZE_BYTES = 400_000_000
REPO, FILE = "wiz/models", "large.gguf"


def run(n_rounds: int) -> list[Figure]:
    """A file of 400 MB, downloaded by both in each round."""
    data = random.Random(0).randbytes(SIZE_BYTES // 4) * 4
    digest(data)
    ours: list[float] = []
    curls: list[float] = []
    starts: list[float] = []
    with StandInHub({REPO: Repository({FILE: data})}, piece_bytes=4 << 20) as hub:
        for _ in range(n_rounds):
            with tempfile.TemporaryDirectory() as folder:
                start_s, took_s = asyncio.run(ours_s(hub, Path(folder)))
                starts.append(start_s * 1000)
                ours.append(SIZE_BYTES / 1e6 / took_s)
                curls.append(SIZE_BYTES / 1e6 / curl_s(hub, Path(folder)))
    ratios = [our / curl for our, curl in zip(ours, curls, strict=True)]
    return [
        Figure("download, verified", ours, "MB/s"),
        Figure("curl of the same file", curls, "MB/s"),
        Figure("download over curl", ratios, "", "≥ 0.9"),
        Figure("until a download's first byte", starts, "ms"),
    ]


async def ours_s(hub: StandInHub, folder: Path) -> tuple[float, float]:
    """Seconds until the transfer begins, and from there until the file is in place."""
    begun: list[float] = []
    asked = time.perf_counter()
    await download(
        REPO,
        FILE,
        on_progress=lambda done, total: begun.append(time.perf_counter()),
        cancelled=asyncio.Event(),
        environment={**os.environ, "HF_HOME": str(folder), "HF_ENDPOINT": hub.url},
    )
    return begun[0] - asked, time.perf_counter() - begun[0]


def curl_s(hub: StandInHub, folder: Path) -> float:
    """Seconds for curl, which follows the hub's redirect too."""
    curl = shutil.which("curl")
    if curl is None:
        raise SystemExit("this benchmark needs curl")
    started = time.perf_counter()
    address = f"{hub.url}/{REPO}/resolve/main/{FILE}"
    subprocess.run([curl, "-sSfL", "-o", str(folder / "curl.bin"), address], check=True)
    return time.perf_counter() - started
