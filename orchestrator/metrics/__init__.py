"""Metrics: one file per score of a text against a reference, pure.

To add one: a module here with the shape of `base.Metric`, and its line in METRICS.
"""

from __future__ import annotations

from orchestrator.metrics import bleu4, chrf, exact_match, rouge1, rouge2, rougel
from orchestrator.metrics.base import Metric

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (bleu4, rouge1, rouge2, rougel, chrf, exact_match)
}
