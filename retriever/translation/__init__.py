"""Texts and words into another language: translation tables, PSQ, translators."""
