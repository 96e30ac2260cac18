"""Evaluation: numbers of a model's answers, and decisions that follow from them. Pure.

Samples and their scores, comparisons of models, the LLM judge, the loss curve, a target, the next trial of a
sweep: one file each. Requests and files are in execute/evaluating and execute/inference.
"""
