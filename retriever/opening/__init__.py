"""From a name or a folder to an encoder."""
