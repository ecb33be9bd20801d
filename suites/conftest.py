"""Makes the suites' options known where the suites are run, and only there.

The installed plugin adds no option of its own: another project may have a `--model` of its own.
"""

from phi4bench.plugin import add_suite_options as pytest_addoption  # noqa: F401  # a hook that pytest finds by name
