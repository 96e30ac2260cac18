"""What probes/merge_check.py writes, as the proof merge reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict


class Record(TypedDict):
    """A tensor that is not what the merge must give. looks: what it resembles, if known."""

    tensor: str
    kind: str
    file: str
    finite: bool
    module: NotRequired[str]
    looks: NotRequired[str]
    like_base: NotRequired[bool]
    alpha: NotRequired[float]
    times: NotRequired[float]
    rank_found: NotRequired[int]
    share: NotRequired[float]
    rank: NotRequired[int]


class Unreadable(TypedDict):
    """A file that cannot be read, and why."""

    file: str
    what: str


class Facts(TypedDict):
    """What probes/merge_check.py writes; its docstring explains each key."""

    method: str
    dtypes: Mapping[str, str]
    sample: int
    tensors: Mapping[str, int]
    values: int
    looked: int
    modules: int
    silent: Sequence[str]
    unmatched: Sequence[str]
    changed: int
    invisible: int
    scales: Sequence[float]
    fit: Sequence[float]
    worst: float
    files: Mapping[str, Mapping[str, int]]
    bad: Sequence[Record]
    bad_number: int
    missing: Sequence[str]
    extra: Sequence[str]
    resized: Mapping[str, Sequence[int]]
    uncovered: Mapping[str, int]
    problems: Sequence[Unreadable]
    begun: NotRequired[str]
    rslora: NotRequired[bool]
    head: NotRequired[str]
    untied: NotRequired[str]
    dropped: NotRequired[Sequence[str]]
