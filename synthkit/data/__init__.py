"""Tables of any kind, expressions over rows, documents, chunking and retrieval."""
