#!/usr/bin/env bash
# Set everything up and run the tests; arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh test browser convert
exec .venv/bin/python -m pytest "$@"
