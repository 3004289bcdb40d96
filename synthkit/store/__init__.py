"""The SQLite file of a session. All SQL of synthkit is here, one module per group of tables."""
