"""What stands before the application: sizes, patience, the last catch."""
