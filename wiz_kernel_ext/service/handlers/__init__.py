"""One handler per target, in families: `worker:*`, `service:*` and `hub:*`.

Handlers know the requests and the parts that serve them, not the sockets: each is called with a
comm and its decoded request, and what it returns, or raises, is the comm's one end.
"""
