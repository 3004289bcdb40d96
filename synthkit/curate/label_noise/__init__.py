"""Detection of wrong labels, by several methods over one set of evidence."""
