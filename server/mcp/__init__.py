"""The Model Context Protocol: the served indices as tools of a language model."""
