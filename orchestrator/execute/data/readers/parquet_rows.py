"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import BATCH, Source, batch_rows, check_columns
from orchestrator.execute.host.atomic_files import CHUNK

HINT = "download or write it again"


def read(source: Source) -> Iterator[Numbered]:
    """The rows, numbered from 1.

    Raises:
        UsageError: the parquet file is not valid.
    """
    source.refuse_packed()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source.path, buffer_size=CHUNK, pre_buffer=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        what = f"not a valid parquet file: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, HINT)) from None
    check_columns(file.schema_arrow.names, source.shown)
    return batch_rows(file.iter_batches(batch_size=BATCH, use_threads=False), source, HINT)
