"""Scoring and comparing models: verdicts, metrics, targets, comparisons, the LLM judge, public benchmarks.

The decisions are pure and in evaluation/; requests go through inference/. The rooms above (serving,
reporting) and the command line may import this room.
"""
