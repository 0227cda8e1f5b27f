"""The addresses: each is parse, one call, answer."""
