"""Better labels: votes, Dawid-Skene, relabelling, and routing to people."""
