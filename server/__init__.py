"""Indices over HTTP: the application, its limits, and the process that serves it."""
