"""What an index is on disk."""
