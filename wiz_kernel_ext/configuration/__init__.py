"""What Jupyter's configuration files say of this package: a user's defaults, a machine's limits.

Read from Jupyter's own paths with traitlets' own loaders; every value knows the file it is from.
"""
