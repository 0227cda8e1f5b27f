"""From the files of a model to a model that may be used."""
