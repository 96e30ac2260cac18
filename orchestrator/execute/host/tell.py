"""What Conch itself writes to standard error where no verb prints: the log of a task, of a daemon.

The lines of an engine reach a log unchanged; what Conch says passes the gate (orchestrator/outside.py).
"""

from __future__ import annotations

import sys

from orchestrator.execute.host.redact import redact
from orchestrator.outside import visible


def tell(text: str) -> None:
    """Write a line."""
    sys.stderr.write(visible(redact(text)) + "\n")
    sys.stderr.flush()
