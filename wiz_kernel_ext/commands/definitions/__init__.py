"""One file per command: `%wiz_NAME` and `jupyter wiz NAME`. A file put here is a command.

What only `run` needs is imported in it: every definition is read by `%load_ext`.
"""
