"""An index's vectors and texts in the formats of other programs."""
