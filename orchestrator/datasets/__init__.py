"""Training data: formats of rows, what is wrong with a row and its repair, splits and statistics.

Pure: bytes and values in, conversations and findings out. Files are opened by execute/data/.
"""
