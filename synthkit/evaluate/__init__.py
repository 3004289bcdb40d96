"""Numbers that say what a table is worth, each with an interval and a source."""
