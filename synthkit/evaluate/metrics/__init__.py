"""Metrics of a table of texts: diversity, fidelity, faithfulness, memorization, usefulness."""
