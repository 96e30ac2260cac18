"""evalscope's own program, given the server's key without its standing on the command line of any process.

Its `--api-key` has a default, so that the variable that its client would read never counts (1.14.1,
evalscope/config.py). The key comes in CONCH_BENCH_KEY and becomes an argument inside this process alone.
"""

import os
import sys


def main() -> int:
    """Run evalscope with this process's arguments."""
    key = os.environ.pop("CONCH_BENCH_KEY", "")
    if key:
        sys.argv += ["--api-key", key]
    from evalscope.cli.cli import run_cmd

    return run_cmd() or 0


if __name__ == "__main__":
    sys.exit(main())
