"""Models made here: converted from a checkpoint, quantized, each in a process of its own."""
