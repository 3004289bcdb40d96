"""Sharing: tables written to files."""
