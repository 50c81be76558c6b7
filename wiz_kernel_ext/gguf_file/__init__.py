"""GGUF files as llama.cpp reads them, from anywhere bytes can be read: header, sizes, shape.

Pure standard library; a file is untrusted input here. The engine checks files with it before the
library sees them, the hub looks into files on disk and on the network.
"""
