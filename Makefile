# The short names of what scripts/ does; README.md tells the story.
.PHONY: quickstart test test-slow lint types bench clean

quickstart: ; bash scripts/quickstart.sh
test: ; bash scripts/test.sh
test-slow: ; bash scripts/test.sh -m slow
lint: ; .venv/bin/ruff check . && .venv/bin/ruff format --check .
types: ; .venv/bin/mypy
bench: ; .venv/bin/python -m benchmarks
clean: ; rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache artifacts
