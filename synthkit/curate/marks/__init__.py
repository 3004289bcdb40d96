"""Marks: their history and decisions, orders of marking, and the filter learned from them."""
