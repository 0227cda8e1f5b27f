"""Questions typed in Latin letters, read in the letters that their language has."""
