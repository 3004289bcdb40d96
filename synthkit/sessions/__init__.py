"""Sessions: a folder with a store and named tables, with lineage, bundles and deletion."""
