"""Statistics without a model: bootstrap, intervals, ROUGE and the light classifier."""
