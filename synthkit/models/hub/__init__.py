"""Model files: the catalog, downloads, fingerprints and conversion; sample data."""
