"""What the engines for models on this machine share: prompts, rows, draws, grammars, memory."""
