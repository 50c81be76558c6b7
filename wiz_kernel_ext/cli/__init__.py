"""What is typed: command-line flags and the `jupyter wiz` command."""
