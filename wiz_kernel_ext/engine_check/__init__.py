"""Is the engine right: a llama.cpp build is tried on its processor before it is trusted.

A child process answers a prompt whose answer is known (`probe`), in each way an engine can be used
until one is right (`check`); the verdict is kept per build and processor (`verdict`), told in
words (`diagnosis`), and mended by building again (`rebuild`). Never imports llama_cpp here: a bad
build takes the process along that touches it.
"""
