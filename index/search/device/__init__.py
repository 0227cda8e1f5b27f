"""The exact scan on a GPU."""
