"""Benchmarks of a model through lm-eval, before and after training."""
