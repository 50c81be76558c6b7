"""How messages travel: comms over ZeroMQ or in memory, and how the two ends find each other.

Knows frames and processes; knows nothing of models, sessions or notebooks. Used by the service,
the workers and the client; the only room that imports zmq, filelock and jupyter_core's paths.
"""
