"""Languages: their codes, how they are identified, which adapter serves them."""
