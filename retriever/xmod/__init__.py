"""X-MOD: transformers with a module for each language."""
