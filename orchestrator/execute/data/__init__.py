"""Data files in, prepared files out: reading, auditing, converting, splitting, adding and showing rows.

Reads user files (readers/) and never writes to them. Not here: what a row means (datasets/), downloads
(models/hub). Imported by proving/, evaluating/ and cli/.
"""
