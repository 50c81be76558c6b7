"""The `jupyter wiz` command: how commands are typed and answered at a terminal."""
