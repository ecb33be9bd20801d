"""`python -m phi4bench`: the command, where the script is on no path."""

import sys

from phi4bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
