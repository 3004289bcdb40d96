"""Better labels: votes, Dawid-Skene, relabelling by a model, and routing to people."""
