"""Rerankers: a second look at the first documents of a ranking."""
