"""The indices that are served, by name, and the work on them."""
