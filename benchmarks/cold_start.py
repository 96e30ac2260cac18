"""How long the command line takes to answer, against the imports that it cannot do without.

    conch --help   at most 1.3 ×  python -c "import click"
    conch plan     at most 2.5 ×  python -c "import click, yaml, pydantic"

The pair of each line is timed in turn, many times; the ratio is that of the fastest, since whatever else the
machine does can only add. Exits 1 when a ratio is over its limit.

    .venv/bin/python benchmarks/cold_start.py [--runs N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
CONCH = str(Path(PYTHON).with_name("conch"))


@dataclass(frozen=True, slots=True)
class Claim:
    """One line that is measured, its yardstick, and how many times the yardstick it may take."""

    name: str
    command: tuple[str, ...]
    yardstick: tuple[str, ...]
    limit: float


CLAIMS = (
    Claim("conch --help", (CONCH, "--help"), (PYTHON, "-c", "import click"), 1.3),
    Claim("conch plan", (CONCH, "plan", "magic_conch"), (PYTHON, "-c", "import click, yaml, pydantic"), 2.5),
)


def seconds(command: Sequence[str]) -> float:
    """Wall time of one process, from start to end."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


def measure(claim: Claim, runs: int) -> float:
    """The ratio of the fastest; prints it and its parts."""
    pairs = [(seconds(claim.command), seconds(claim.yardstick)) for _ in range(runs + 1)][
        1:
    ]  # one to warm up
    ours, theirs = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    ratio = ours / theirs
    verdict = "ok" if ratio <= claim.limit else "OVER"
    print(
        f"{claim.name:<13} {ours * 1000:6.0f} ms   {claim.yardstick[-1]:<28} {theirs * 1000:6.0f} ms   "
        f"ratio {ratio:.2f} (at most {claim.limit:g})   {verdict}"
    )
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=21, help="how often each is timed (default 21)")
    runs = parser.parse_args().runs
    # As `make setup` leaves it: a clone that was edited since would be compiled anew at each start.
    subprocess.run([PYTHON, "-m", "compileall", "-q", "orchestrator"], cwd=ROOT, check=True)
    print(f"fastest of {runs} runs, taken in turn; Python {sys.version.split()[0]}")
    within = [measure(claim, runs) <= claim.limit for claim in CLAIMS]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
