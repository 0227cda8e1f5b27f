"""How `retriever/scripts/tables` were made: see `__main__`."""
