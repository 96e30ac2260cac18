"""What Conch costs: a recipe by `conch run` against its rendered files run by a shell script, in one run.

Conch's proofs, which the script has nothing of, are a line of their own and no part of the ratio. At most
1.03 ×; exits 1 above it. Takes as long as the recipe twice, on a machine with nothing else to do.

    .venv/bin/python benchmarks/overhead.py [--recipe smoke] [--again]
"""

from __future__ import annotations

import sys

from benchmarks.by_hand import Measured, measured

LIMIT = 1.03


def report(result: Measured) -> float:
    """Print the ratio and its parts; return it."""
    rows: dict[str, tuple[float | None, float | None]] = {
        "train": (result.stages["train"], result.steps["train"]),
        "export": (result.stages["export"], result.steps["export"]),
    }
    for stage in [name for name in result.stages if name.startswith("ask")]:
        parts = [seconds for name, seconds in result.steps.items() if name.startswith(f"{stage}_")]
        rows[f"{stage}: server and questions"] = (result.stages[stage], sum(parts))
    others = [name for name in result.stages if not name.startswith(("train", "export", "ask", "prove"))]
    rows[", ".join(others)] = (sum(result.stages[name] for name in others), None)
    rows["between the stages"] = (result.conch - sum(result.stages.values()), None)
    by_hand = result.by_hand - result.proof_by_hand
    rows["all but the proofs"] = (result.conch - result.proofs, by_hand)
    print(f"{result.recipe:<34}{'conch':>10}{'by hand':>10}")
    for name, (ours, theirs) in rows.items():
        cells = ["" if seconds is None else f"{seconds:.1f} s" for seconds in (ours, theirs)]
        print(f"{name:<34}{cells[0]:>10}{cells[1]:>10}")
    print(f"{'proofs':<34}{result.proofs:>8.1f} s")
    ratio = (result.conch - result.proofs) / by_hand
    print(f"\nratio {ratio:.3f} (at most {LIMIT:g})   {'ok' if ratio <= LIMIT else 'OVER'}")
    return ratio


if __name__ == "__main__":
    sys.exit(0 if report(measured(__doc__ or "")) <= LIMIT else 1)
