"""The notebook shell: magics, completion, displays and widgets over the public functions."""
