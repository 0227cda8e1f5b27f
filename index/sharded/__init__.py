"""One index in several parts: each searched where it lies, the answers joined exactly."""
