"""Recipes: generation methods, each a generator that yields requests and receives completions.

A recipe sees no model, file, clock or network: the driver runs it, and keeps its answers.
"""
