#!/usr/bin/env bash
# Make .venv and install this project with the extras named: setup.sh test lab
# PYTHON chooses the interpreter (3.10 or newer); CMAKE_ARGS, CFLAGS and CXXFLAGS reach the build of
# llama.cpp. Safe to run again: what is installed stays, and is tried.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit("Python 3.10 or newer is needed") if sys.version_info < (3, 10) else None'
if [ ! -x .venv/bin/python ]; then
  "$python" -m venv .venv || {
    echo "The venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
fi
.venv/bin/python -m pip install --quiet --upgrade pip
.venv/bin/python scripts/install.py "$@"
echo "== installed: .venv ($(.venv/bin/python --version))"
