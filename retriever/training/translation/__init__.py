"""Translation tables, learnt by word alignment of parallel text."""
