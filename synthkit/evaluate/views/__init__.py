"""Two-dimensional projections, group contrasts and word diffs."""
