"""Duplicates: exact, near and semantic; their clusters, and a check by brute force."""
