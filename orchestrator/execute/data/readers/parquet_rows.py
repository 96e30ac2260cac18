"""Parquet: rows by the batch, numbered from 1."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.arrow_rows import check_columns
from orchestrator.execute.data.readers.base import Source

BATCH = 512


def read(source: Source) -> Iterator[Numbered]:
    """The rows.

    Raises:
        UsageError: it is no whole parquet file.
    """
    source.refuse_packed()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source.path.resolve())
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        what = f"it is no whole parquet file: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, "fetch or write it anew")) from None
    check_columns(file.schema_arrow.names, source.shown)
    return _rows(file, source)


def _rows(file: object, source: Source) -> Iterator[Numbered]:
    import pyarrow as pa

    number = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH):  # type: ignore[attr-defined]
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"the file is damaged after row {number}: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, "fetch or write it anew")) from None
