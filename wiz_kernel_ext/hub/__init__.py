"""Where models come from: a name's file on this disk, and downloads from a hub.

Only the child process that downloads (`fetch`) imports huggingface_hub.
"""
