"""Documents into segments: the writer, what it has pending, compaction."""
