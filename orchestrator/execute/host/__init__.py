"""This machine and its files."""
