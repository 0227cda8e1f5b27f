"""The static encoder, trained from a teacher and parallel text."""
