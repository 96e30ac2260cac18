"""From the end of training to the first answer: by Conch, against export and a cold `vllm serve` by hand.

Conch lets vLLM make its imports while the export is written. The share of the export that hides behind them
is (by hand - by Conch) / export: at least 90 %, exits 1 below it. Both sides prove the export between writing
and serving it. The share against a hand that proves nothing is printed too: what Conch saves then also pays
for the proof.

    .venv/bin/python benchmarks/time_to_answer.py [--recipe smoke] [--again]
"""

from __future__ import annotations

import sys

from benchmarks.by_hand import Measured, measured

LIMIT = 0.9


def report(result: Measured) -> float:
    """Print the share and its parts; return it."""
    export, proof, hand = result.steps["export"], result.proof_by_hand, result.by_hand_answer
    ready = export + proof + result.steps["ask_ready"]
    exported = result.stages["export"]
    proven = exported + result.stages["prove_export"]
    print(f"{'after training':<18}{'exported':>10}{'proven':>10}{'ready':>10}{'answered':>10}")
    _row("by hand", export, export + proof, ready, hand)
    _row("by hand, unproven", export, None, ready - proof, hand - proof)
    _row("by Conch", exported, proven, result.conch_ready, result.conch_answer)
    unproven = (hand - proof - result.conch_answer) / export
    print(f"\n{unproven:.0%} of the export hidden against a hand that proves nothing")
    share = (hand - result.conch_answer) / export
    print(f"{share:.0%} of the export hidden (at least {LIMIT:.0%})   {'ok' if share >= LIMIT else 'UNDER'}")
    return share


def _row(name: str, *seconds: float | None) -> None:
    print(f"{name:<18}" + "".join(" " * 10 if one is None else f"{one:8.1f} s" for one in seconds))


if __name__ == "__main__":
    sys.exit(0 if report(measured(__doc__ or "")) >= LIMIT else 1)
