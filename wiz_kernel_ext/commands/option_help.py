"""What each option means, in one line: the help of every flag and of every `%config` default.

A test holds that no option of the protocol is without its line.
"""

from __future__ import annotations

MEANING = {
    # sampling
    "temperature": "randomness: 0 always takes the likeliest token",
    "top_k": "choose among the K likeliest tokens (0: all)",
    "top_p": "choose among the likeliest tokens that together reach this probability",
    "min_p": "drop tokens less likely than this share of the likeliest one",
    "typical_p": "locally typical sampling (1: off)",
    "repeat_penalty": "make tokens that were said already less likely (1: off)",
    "repeat_last_n": "how many tokens back the penalties look (-1: all)",
    "presence_penalty": "penalty on every token said already",
    "frequency_penalty": "penalty that grows with how often a token was said",
    "dry_multiplier": "strength of the DRY repetition penalty (0: off)",
    "dry_base": "how fast the DRY penalty grows",
    "dry_allowed_length": "repetitions up to this many tokens are free of it",
    "dry_penalty_last_n": "how many tokens back DRY looks (-1: all)",
    "xtc_probability": "how often XTC leaves out the likeliest tokens (0: off)",
    "xtc_threshold": "the probability above which XTC may leave a token out",
    "mirostat": "Mirostat version (0: off)",
    "mirostat_tau": "Mirostat: the surprise aimed at",
    "mirostat_eta": "Mirostat: how fast it adapts",
    "seed": "makes the answer repeatable",
    "logit_bias": "add VALUE to the logit of token KEY (an id or its text); repeatable",
    "max_tokens": "the longest answer, in tokens (2k: 2048)",
    "stop": "end the answer before this text; repeatable",
    "lookup": "guess what repeats the prompt (by itself where that pays and no text is promised)",
    "allow_repeats": "go on where an answer says the same line ten times",
    "schema": "answer with JSON of this schema: a file, or the JSON itself",
    "regex": "answer with what this regular expression matches",
    "choices": "answer with one of these; repeatable",
    "grammar": "answer with what this grammar allows: a GBNF file, or its text",
    "think": "whether a model that can thinks first, or for how many tokens at most",
    "logprobs": "tell how likely each token was, with so many alternatives",
    "n": "so many answers of one reading",
    "best": "of several answers, take the likeliest",
    "reproducible": "the same text, whoever else is served and whatever is cached",
    # prompts
    "prefill": "how the answer begins",
    "suffix": "what stands behind the gap to fill; the prompt stands before it",
    "overflow": "what to do with a conversation that does not fit",
    "adapters": "use this LoRA file, NAME or NAME=SCALE; repeatable",
    # model and context
    "context_size": "the longest conversation, in tokens (8k: 8192)",
    "sequences": "how many prompts run at once",
    "threads": "CPU threads",
    "batch_size": "the most tokens of one step",
    "kv_type": "type of the KV cache",
    "flash_attention": "use flash attention",
    "gpu_layers": "layers on the GPU (-1: all)",
    "use_mmap": "map the file into memory instead of reading it",
    "use_mlock": "keep the model in RAM",
    "check_tensors": "check the file's numbers while loading",
    "keep_alive_s": "how long an unused model stays loaded",
    "draft": "a small model with the same vocabulary, which guesses what this one says",
    "projector": "the file that has the model see images (mmproj)",
    "chat_template": "write turns as this family does, or as a file with a Jinja template says",
    # lists
    "limit": "how many to list",
    # models
    "fits": "only what this machine can run",
    "out_type": "the numbers' type in the GGUF (bf16)",
    "output": "the file to write",
    "base": "the model a PEFT adapter is for: a checkpoint's folder, or a GGUF",
    "llama_cpp": "a llama.cpp checkout whose converter does it",
    "update": "fetch what the hub has now, also where one is here",
    "overwrite": "also where the file exists",
}
