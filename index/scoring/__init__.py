"""Late-interaction scores of coded passages."""
