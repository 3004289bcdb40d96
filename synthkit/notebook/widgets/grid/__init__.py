"""The table: rows to sort, filter, search and trace, live or at rest."""
