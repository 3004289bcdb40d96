"""The marker: rows or pairs to annotate by key, mouse or touch."""
