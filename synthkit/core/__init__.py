"""Shared data types, errors, the registry, optional packages and the kind of front end."""
