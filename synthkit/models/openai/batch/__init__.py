"""Batch APIs: many requests are submitted at once, at half the price, and answered hours later."""
