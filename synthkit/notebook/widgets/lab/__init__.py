"""The lab widget: prompt variants in columns, inputs in rows."""
