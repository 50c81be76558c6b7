#!/usr/bin/env bash
# Make .venv and install this project with the extras named: setup.sh test lab
# PYTHON chooses the interpreter (3.10 or newer). Safe to run again: what is installed stays.
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
extras=$(IFS=,; echo "$*")
if ! .venv/bin/python -c 'import llama_cpp' 2>/dev/null; then
  echo "== llama-cpp-python is built from source: 5 to 10 minutes on 2 cores, unless pip has it cached"
fi
# The multimodal library is not used here, and half of the build time.
export CMAKE_ARGS="${CMAKE_ARGS:--DLLAVA_BUILD=OFF}"
.venv/bin/python -m pip install --quiet --upgrade pip
.venv/bin/python -m pip install --progress-bar off --quiet --editable ".[$extras]" &
pid=$!
while kill -0 "$pid" 2>/dev/null; do
  sleep 1
  seconds=$((${seconds:-0} + 1))
  [ $((seconds % 30)) -ne 0 ] || echo "== installing: ${seconds} s"
done
wait "$pid"
echo "== installed: .venv ($(.venv/bin/python --version))"
