"""All that touches llama.cpp: the backend on it, and the programs that ask the library itself."""
