"""The explorer: a map of a table's texts."""
