"""How operations and tables look: pure state that draws on a `Screen`."""
