"""Single vectors: candidates by FAISS, in memory only."""
