"""Selection: diverse subsets, samples, subsets that match real rows, weights of rows."""
