"""What is computed: sequences, scheduler, prefix cache, sampling, detokenizer, chat templates.

Pure decisions around C work. Only `llama.py` touches llama_cpp; everything else sees it through
the contract in `backend.py`. Knows nothing of sockets, sessions or notebooks; called by `worker/`.
"""
