"""Generation: the job (what will be asked) and the runner (asks it)."""
