"""Planted damage: artifacts made worse on purpose, to see whether the gate that should stop them does."""
