"""A `vllm serve` that has its imports behind it: waits for one line on standard input, then is vLLM.

The line is a JSON list, the words after `vllm` (`["serve", "export", "--port", "8000", …]`). End of file
without a line means that the server is not wanted, and is no error. Runs in the serve environment.

vLLM starts its engine by spawn, and a spawned child imports this file again (as __mp_main__): nothing here
may happen at import.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys

# What `vllm serve` imports on its way to the first request, beyond its own command line. A name that another
# version lacks is passed over: warming is an optimisation and must not be able to fail.
MODULES = (
    "vllm.entrypoints.cli.main",
    "vllm.entrypoints.cli.serve",
)


def warm() -> None:
    """Import everything now that serving would import later."""
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main() -> int:
    """Warm up, wait for the word, serve."""
    warm()
    line = sys.stdin.readline()
    if not line.strip():
        return 0
    sys.argv = ["vllm", *json.loads(line)]
    from vllm.entrypoints.cli.main import main as vllm_main

    vllm_main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
