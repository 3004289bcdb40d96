"""Label noise: rows whose label looks wrong, by seven methods that use a light classifier."""
