"""Retrievers and rerankers for other people's frameworks; each module needs its own."""
