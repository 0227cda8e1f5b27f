"""Questions to train on, made of a corpus: by a language model, or by the documents' own words."""
