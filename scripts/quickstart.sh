#!/usr/bin/env bash
# Set everything up and run the quickstart notebook, its output on this terminal.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh lab
.venv/bin/python scripts/run_notebook.py notebooks/quickstart.ipynb
echo
echo "Open it yourself:  .venv/bin/jupyter lab notebooks/quickstart.ipynb"
