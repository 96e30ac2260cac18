"""Readers: one module for each kind of data file, and the table of their suffixes.

A reader turns an open file into numbered rows. Readers do not import each other; base.py and packed.py hold
what they share, folder.py and hashed.py serve data_file.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.execute.data.readers import (
    arrow_rows,
    json_rows,
    parquet_rows,
    table,
    text_lines,
    workbook,
    xml_items,
)
from orchestrator.execute.data.readers.base import Read

# To add a kind of file, write its module with `read` (base.py has its argument) and add its suffixes here.
READERS: Mapping[str, Read] = {
    ".jsonl": json_rows.read,
    ".ndjson": json_rows.read,
    ".json": json_rows.read,
    ".csv": table.read,
    ".tsv": table.read,
    ".xlsx": workbook.read,
    ".xls": workbook.read,
    ".ods": workbook.read,
    ".xml": xml_items.read,
    ".parquet": parquet_rows.read,
    ".arrow": arrow_rows.read,
    ".feather": arrow_rows.read,
    ".txt": text_lines.read,
    ".md": text_lines.read,
}
# These parse with Python's standard library and orjson. Files of all others, and packed ones, are read in a
# child with limits (reader_child.py).
IN_PROCESS = (json_rows.read, table.read, text_lines.read)
