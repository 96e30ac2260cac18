"""Measuring what proofs need."""
