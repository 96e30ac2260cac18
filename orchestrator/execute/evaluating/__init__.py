"""Scoring and comparing."""
