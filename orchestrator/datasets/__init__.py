"""Raw shapes of training data, read as conversations; what is wrong with a row; the entry of a data set.

Pure: bytes and values in, conversations and findings out. Files are opened by execute/prepare.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets import alpaca, openai, sharegpt
from orchestrator.datasets.base import Adapter, Row

# One line a shape. To add one: write its module (base.py says what it offers), and its line here.
ADAPTERS: Mapping[str, Adapter] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "openai": openai,
}


def sniff(row: Row) -> str | None:
    """The name of the first adapter whose shape a row has; None when it has none's."""
    return next((name for name, adapter in ADAPTERS.items() if adapter.sniff(row)), None)
