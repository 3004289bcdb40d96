"""Local models run by vLLM, within this process."""
