"""Filters of single rows: text, language, repetition, refusals, personal data, scores."""
