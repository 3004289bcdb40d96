"""The SQLite file of a session: completions, runs, marks, curations and evaluations."""
