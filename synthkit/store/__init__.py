"""The SQLite file of a session, or its schema on a server. All SQL of synthkit is here.

There is one module per group of tables, and one per engine.
"""
