"""Training data: entries, formats of rows, audit and repair, splits and statistics.

Pure: bytes and values in, conversations and counts out. execute/data/ opens the files. Not here: what
LLaMA-Factory reads besides rows (backends/). Imported by plan/, backends/, execute/ and cli/.
"""
