"""Raw shapes of training data, read as conversations; what is wrong with a row; the entry of a data set.

Pure: bytes and values in, conversations and findings out. Files are opened by execute/prepare.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets import alpaca, belle, firefly, huatuo, medical_o1, openai, r1_distill, sharegpt
from orchestrator.datasets.base import Adapter, Row

# One line a shape. To add one: write its module (base.py says what it offers), and its line here; the first
# that knows a row reads it, so that a narrower shape (belle) stands before a wider one (alpaca).
ADAPTERS: Mapping[str, Adapter] = {
    "belle": belle,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "openai": openai,
    "huatuo": huatuo,
    "firefly": firefly,
    "medical_o1": medical_o1,
    "r1_distill": r1_distill,
}


def sniff(row: Row) -> str | None:
    """The name of the first adapter whose shape a row has; None when it has none's."""
    return next((name for name, adapter in ADAPTERS.items() if adapter.sniff(row)), None)
