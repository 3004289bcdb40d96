"""Local models run by transformers and torch."""
