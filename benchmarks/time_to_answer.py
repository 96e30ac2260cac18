"""From the end of training to the first answer: by Conch, against export and a cold `vllm serve` by hand.

Conch lets vLLM make its imports while the export is written. The share of the export that hides behind them
is (by hand - by Conch) / export; at least 90 %, exits 1 below it. Conch's time holds its proof of the export,
which the script has nothing of; the share without it is printed too.

    .venv/bin/python benchmarks/time_to_answer.py [--recipe smoke] [--again]
"""

from __future__ import annotations

import sys

from benchmarks.by_hand import Measured, measured

LIMIT = 0.9


def report(result: Measured) -> float:
    """Print the share and its parts; return it."""
    export, proof = result.steps["export"], result.stages.get("prove_export", 0.0)
    hand, conch = result.by_hand_answer, result.conch_answer
    gained = hand - conch
    cold = result.steps["ask_ready"]
    print(
        f"by hand   export {export:.1f} s, ready {export + cold:.1f} s, answered {hand:.1f} s after training"
    )
    print(
        f"by Conch  export {result.stages['export']:.1f} s, proof {proof:.1f} s, "
        f"ready {result.conch_ready:.1f} s, answered {conch:.1f} s after training"
    )
    print(f"without the proof  {(gained + proof) / export:.0%} of the export hidden")
    share = gained / export
    print(
        f"\n{share:.0%} of the export hidden (at least {LIMIT:.0%})   {'ok' if share >= LIMIT else 'UNDER'}"
    )
    return share


if __name__ == "__main__":
    sys.exit(0 if report(measured(__doc__ or "")) >= LIMIT else 1)
