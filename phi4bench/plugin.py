"""The pytest plugin: translates between pytest and `phi4bench.run`, and decides nothing itself."""
