"""Answers that follow a schema, against the peers: the same schemas, model and prompts for all.

    python -m benchmarks constraints [--works corpus,speed] [--schemas N] [--models FILE …] …

`corpus.py` asks for the schemas of `tests/corpora/schemas` one by one, greedy and hot, and judges
what comes; `speed.py` measures what following one costs. `contenders/` are who is asked, each in a
process of its own (`process.py`), which is ended where it does not come back.
"""
