"""Every command once: its flags, its help, what it does, what it shows.

The magics (`notebook/`) and the terminal (`cli/`) are its two faces.
"""
