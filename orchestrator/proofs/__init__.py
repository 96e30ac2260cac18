"""What is proven about a run, one pure file per proof: facts that probes measured in, a Proof out.

Not here: reading the facts (execute/proving) and the order of proofs in a run (plan/stages). Imported by
execute/, cli/ and html/. To add a proof: a file here with `prove(…) -> Proof`, a task that reads its facts
(execute/proving/offline_proofs.py; its line in TASKS) in a stage, and its line in PROOFS, or in OF_KINDS,
which the certificate, the report and `conch prove` read.
"""

from __future__ import annotations

# name → its file in a run folder, in the order of a report.
PROOFS: dict[str, str] = {
    "rows": "proofs/data/rows.json",
    "tokenizer": "proofs/data/tokenizer.json",
    "parity:data": "proofs/data/parity.json",
    "truncation": "proofs/data/truncation.json",
    "hashes": "proofs/export/hashes.json",
    "merge": "proofs/export/merge.json",
    "parity:export": "proofs/export/parity.json",
    "stop": "proofs/export/stop.json",
    "sampling": "proofs/served/sampling.json",
    "parity:served": "proofs/served/parity.json",
    "loss": "proofs/served/loss.json",
}
# The same for proofs that only some training kinds have: plan/kinds names them.
OF_KINDS: dict[str, str] = {
    "preference": "proofs/served/preference.json",
    "perplexity": "proofs/served/perplexity.json",
    "reward": "proofs/served/reward.json",
    "reward:accuracy": "proofs/served/reward_accuracy.json",
    "environment": "proofs/data/environment.json",
    "reward:gain": "proofs/reward/gain.json",
}
