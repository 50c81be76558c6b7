"""Models on this machine: their names, where they lie, what their headers say, whether they fit."""
