"""An open index asked: the reader, filters, candidates and rankings."""
