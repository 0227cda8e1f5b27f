"""Graphs: made, checked, run."""
