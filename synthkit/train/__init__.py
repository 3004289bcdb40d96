"""Training on a table: thin layers over transformers, which is imported when one of them runs.

``classifier`` fine-tunes a transformer to tell labels apart.
"""
