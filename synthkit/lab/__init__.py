"""The prompt lab: prompt variants side by side on the same rows."""
