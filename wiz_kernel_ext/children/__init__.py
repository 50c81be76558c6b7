"""Work done in a process of its own: how it is started, heard, called off, and seen to end."""
