"""The prompt lab: variants x inputs x models, asked once, checked, marked, compared and kept."""
