"""Puts the checkout first on the path, so that suites and benchmarks judge with the code beside them.

Options live in the plugin; `suites/conftest.py` and `benchmarks/conftest.py` make them known.
"""
