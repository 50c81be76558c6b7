"""What a notebook's user waits for: the extension, the first text after a restart, an interrupt."""

from __future__ import annotations

import time

from benchmarks.report import Figure
from tests.support.homes import Home
from tests.support.kernels import Kernel

TIMED_LOAD = """
import time
started = time.perf_counter()
import wiz_kernel_ext
get_ipython().run_line_magic("load_ext", "wiz_kernel_ext")
took_s = time.perf_counter() - started
"""
N_TRIES = 5
LONG_PROMPT = "word " * 650


def run(n_rounds: int) -> list[Figure]:
    """Each figure once per round, each round with a restarted kernel."""
    home = Home.make()
    kernel = Kernel(home.environment)
    load_ext: list[float] = []
    restarted: list[float] = []
    answering: list[float] = []
    reading: list[float] = []
    try:
        kernel.run("%load_ext wiz_kernel_ext\n%wiz_load demo")
        for _ in range(n_rounds):
            kernel.restart()
            kernel.run(TIMED_LOAD)
            load_ext.append(kernel.value("took_s") * 1000)
            cell = kernel.run("%%wiz_prompt --new --temperature 0\nHello")
            assert cell.first_text_s is not None, cell
            restarted.append(cell.first_text_s * 1000)
            answering.append(interrupt_s(kernel, "Count from 1 to 200.") * 1000)
            reading.append(interrupt_s(kernel, LONG_PROMPT, wait_text=False) * 1000)
    finally:
        kernel.close()
        home.close()
    return [
        Figure("import and %load_ext in a bare kernel", load_ext, "ms", "≤ 150 ms"),
        Figure("first text after a kernel restart", restarted, "ms", "≤ 300 ms"),
        Figure("interrupt of an answer until the cell has ended", answering, "ms", "≤ 300 ms"),
        Figure("interrupt of prompt reading until the cell has ended", reading, "ms", "≤ 300 ms"),
    ]


def interrupt_s(kernel: Kernel, prompt: str, *, wait_text: bool = True) -> float:
    """Seconds from the interrupt to the end of the cell; a cell that was quicker is asked again."""
    for _ in range(N_TRIES):
        message = kernel.send(f"%%wiz_prompt --new --temperature 0 --max-tokens 500\n{prompt}")
        if wait_text:
            kernel.wait_answer(message)
        else:
            time.sleep(0.1)
        started = time.perf_counter()
        kernel.interrupt()
        cell = kernel.finish(message)
        if cell.error_name == "KeyboardInterrupt":
            return time.perf_counter() - started
    raise RuntimeError(f"no cell was caught in time: {cell}")
