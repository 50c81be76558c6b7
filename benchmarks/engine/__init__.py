"""The engine against its peers: the same works, asked of each in turn, on the same model.

    python -m benchmarks engine [--works a,b] [--contenders a,b] [--rounds N] [--markdown] …

`works.py` says what is asked and what is made of the answers, `contenders/` who is asked (each in a
process of its own), `rounds.py` how: one at a time, in turns, and again where others took the
machine. `alone/` has what only this project does. `report.py` and `plot.py` show it.
"""
