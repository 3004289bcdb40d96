"""Static outputs of the notebook: HTML and text that stand without a kernel."""
