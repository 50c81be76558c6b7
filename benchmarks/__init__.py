"""How fast it is: every figure a ratio or a difference within one run, never a promise.

    python -m benchmarks [NAME …] [--rounds N] [--json FILE]

Machines drift by the minute, so rivals take turns in the same run and medians are compared.
"""
