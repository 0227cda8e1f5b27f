"""Adding a language to a model with X-MOD adapters: its text in, one more adapter out."""
