"""What leaves the notebook: tables as text and as files."""
