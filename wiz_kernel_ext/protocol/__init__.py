"""What is said on the wire: one frozen, typed message per payload and event, and the codec.

Knows nothing of sockets or processes. Python names are snake_case, the wire is camelCase as in
the original service; only the message library renames.
"""
