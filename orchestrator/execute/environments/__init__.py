"""Locked engine environments."""
