"""What to keep of a table, and why the rest was dropped."""
