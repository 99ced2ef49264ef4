"""The command line."""

import os
import sys

from smartoken.serving import serve
from smartoken.settings import Settings


def main() -> None:
    """Run a command."""
    sys.exit(serve(Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
