"""Sharing: tables written to files and to the clipboard."""
