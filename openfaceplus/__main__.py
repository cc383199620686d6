"""``python -m openfaceplus`` is the command ``openfaceplus``."""

import sys

from openfaceplus.cli import main

if __name__ == "__main__":
    sys.exit(main())
