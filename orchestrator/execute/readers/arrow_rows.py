"""Arrow and feather files, and the streams that `datasets` saves: rows by the batch, numbered from 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.readers.base import Source

BATCH = 512


def read(source: Source) -> Iterator[Numbered]:
    """The rows.

    Raises:
        UsageError: it is no whole arrow file.
    """
    source.refuse_packed()
    import pyarrow as pa

    mapped = pa.memory_map(str(source.path.resolve()))
    try:
        return _rows(_batches(mapped), source)
    except (pa.ArrowException, OSError) as error:
        what = f"it is no whole arrow file: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, "write it anew, as arrow or parquet")) from None


def _batches(mapped: Any) -> Iterator[Any]:
    """The batches of a file, or of a stream, whichever it is."""
    import pyarrow as pa

    try:
        file = pa.ipc.open_file(mapped)
    except pa.ArrowInvalid:
        mapped.seek(0)
        return iter(pa.ipc.open_stream(mapped))
    return (file.get_batch(number) for number in range(file.num_record_batches))


def _rows(batches: Iterator[Any], source: Source) -> Iterator[Numbered]:
    import pyarrow as pa

    number = 0
    try:
        for batch in batches:
            # A damaged offset would be followed anywhere, and the process would end by a signal.
            batch.validate(full=True)
            if not batch.num_columns:
                # Rows of nothing, and a damaged count of them may say billions.
                raise UsageError(Problem("the file has no columns", source.shown, "write it anew"))
            for start in range(0, batch.num_rows, BATCH):
                for row in batch.slice(start, BATCH).to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        what = f"the file is damaged after row {number}: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, "write it anew, as arrow or parquet")) from None
