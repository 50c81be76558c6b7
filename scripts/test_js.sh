#!/usr/bin/env bash
# The linter and the unit tests of the panels' pages. Installs what they need; Node 18.18 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
npm ci --silent --no-audit --no-fund --ignore-scripts
npm run --silent lint
npm run --silent test
