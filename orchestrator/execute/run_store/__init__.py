"""What is kept of runs: folders, events, locks, logs, manifests, certificates, server records.

Also stopping what belongs to a run. Not here: running a plan (runner/), what users look at (reporting/). The
rooms from servers/ upwards and cli/ import it.
"""
