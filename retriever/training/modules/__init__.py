"""Sparse masks and ranking adapters, learned."""
