"""Recipes that train any encoder: contrastive, distilled, aligned; and what they read and write."""
