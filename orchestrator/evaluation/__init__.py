"""Evaluation: what a model's answers say as numbers, and what is decided by them. Pure.

Samples and their scores, the comparison of two models, a loss curve's course, a target, the next trial of a
sweep: one file each. Asking, and the files that these are read from and written to, is execute/'s work.
"""
