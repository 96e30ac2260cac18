"""How a data file is read, and what is done about its bad rows: what every verb over a file is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.datasets.audit import Rules
from orchestrator.execute.data.data_file import Reading


@dataclass(frozen=True, slots=True)
class Manner:
    """How rows are read, and what is done about bad ones.

    Attributes:
        format: a name of FORMATS; "" when the first whole row decides.
        columns: the format's column → what it is called in this file, where otherwise than usual.
        reading: which part of the file is read, and how.
        rules: what is done about faults.
    """

    format: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    rules: Rules = field(default_factory=Rules)
