"""Trainers: models fine-tuned on a table."""
