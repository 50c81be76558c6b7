"""Execute a notebook in a real kernel and print its cells and their output as they come.

    python scripts/run_notebook.py NOTEBOOK [--out EXECUTED.ipynb]

Ends with 1 at the first cell that fails, having shown its error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CELL_TIMEOUT_S = 120


def show(cell: nbformat.NotebookNode) -> None:
    """Print a cell as a reader would see it, without colours."""
    if cell.cell_type == "markdown":
        print(f"\n{cell.source}\n")
        return
    print("\n".join(f"  │ {line}" for line in cell.source.splitlines()))
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        text = output.get("text") or data.get("text/markdown") or data.get("text/plain") or ""
        if output.output_type == "error":
            text = "\n".join(output.traceback)
        if text.strip():
            print(text.rstrip())
    print(flush=True)


async def run(path: Path, out: Path | None) -> int:
    """Execute the notebook at `path`; 0 if every cell ran."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        async with client.async_setup_kernel():
            for index, cell in enumerate(notebook.cells):
                failed = False
                try:
                    await client.async_execute_cell(cell, index)
                except CellExecutionError:
                    failed = True
                show(cell)
                if failed:
                    return 1
    finally:
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, out)
    return 0


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--out", type=Path, help="where the executed notebook is written")
    arguments = parser.parse_args()
    return asyncio.run(run(arguments.notebook, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
