"""Metrics: one file per score of a text against a reference, pure.

To add a metric, add a module here with the shape of `base.Metric`, its line in METRICS, and a test. Metrics
do not import each other.
"""

from __future__ import annotations

from orchestrator.metrics import bleu4, chrf, exact_match
from orchestrator.metrics.base import Metric
from orchestrator.metrics.rouge import rouge1, rouge2, rouge_l

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (bleu4, rouge1, rouge2, rouge_l, chrf, exact_match)
}
