"""Prompt templates, parsing of completions, and the conditions that fill a template."""
