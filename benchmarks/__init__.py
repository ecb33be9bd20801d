"""Recorders: what phi4bench costs, and what its gates are worth. Nothing here is a test."""
