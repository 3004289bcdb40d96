"""The session browser: runs, tables, lineage, marks and cost."""
