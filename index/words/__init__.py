"""Lexical search: the words of documents."""
