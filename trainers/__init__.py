"""Recipes that make artifacts. They import phi4bench, never the reverse, and need the `train` extra."""
