"""Facts of a model folder: which are known, how they are laid out, what they are by content."""
