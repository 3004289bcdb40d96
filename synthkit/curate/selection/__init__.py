"""Selection of rows: by cover, score, balance or likeness to real rows, and weights."""
