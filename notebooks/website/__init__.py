"""What the documentation site is built with; ``conf.py`` is its Sphinx configuration."""
