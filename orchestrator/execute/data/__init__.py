"""Data files in, prepared files out."""
