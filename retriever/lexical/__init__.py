"""Texts to terms, and search by them."""
