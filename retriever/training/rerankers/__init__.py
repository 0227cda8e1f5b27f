"""Cross-encoders trained to rank: whole, by a ranking adapter, or by a sparse mask."""
