"""What is proven of a run, one file a proof: facts that probes measured in, a Proof out. Pure.

To add a proof: a file here with `prove(…) -> Proof`, the task that feeds it, and its line in PROOFS, which is
what the certificate, the report and `conch prove` read.
"""

from __future__ import annotations

# name → where its result lies in a run folder; in the order in which a reader wants them.
PROOFS: dict[str, str] = {
    "rows": "proofs/data/rows.json",
    "tokenizer": "proofs/data/tokenizer.json",
    "parity:data": "proofs/data/parity.json",
    "truncation": "proofs/data/truncation.json",
    "hashes": "proofs/export/hashes.json",
    "merge": "proofs/export/merge.json",
    "parity:export": "proofs/export/parity.json",
    "stop": "proofs/export/stop.json",
    "parity:served": "proofs/served/parity.json",
    "loss": "proofs/served/loss.json",
}
