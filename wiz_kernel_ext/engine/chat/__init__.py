"""From conversations to prompts: templates, turns, tools, and gaps to fill."""
