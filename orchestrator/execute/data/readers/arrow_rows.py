"""Arrow and feather files, and the streams that `datasets` saves: rows by the batch, numbered from 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Source

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


def check_columns(names: list[str], shown: str) -> None:
    """Look at the columns' names before a row is made of them.

    Raises:
        UsageError: there are none (a damaged count of empty rows may say billions), or two are alike, of
            which a row would keep one.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if not names or twice:
        what = f'two columns are named "{twice[0]}"' if twice else "the file has no columns"
        raise UsageError(Problem(what, shown, "write it anew"))


def _rows(batches: Iterator[Any], source: Source) -> Iterator[Numbered]:
    import pyarrow as pa

    number = 0
    try:
        for batch in batches:
            # A damaged offset would be followed anywhere, and the process would end by a signal.
            batch.validate(full=True)
            check_columns(batch.schema.names, source.shown)
            for start in range(0, batch.num_rows, BATCH):
                for row in batch.slice(start, BATCH).to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"the file is damaged after row {number}: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, "write it anew, as arrow or parquet")) from None
