"""Training the shipped modular encoder: X-MOD over the static encoder's vocabulary."""
