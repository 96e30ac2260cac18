"""Arrow and feather files, and the streams that `datasets` saves."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Batch, Source, batch_rows, check_columns

HINT = "write it again, as arrow or parquet"


def read(source: Source) -> Iterator[Numbered]:
    """The rows, numbered from 1.

    Raises:
        UsageError: the arrow file is not valid.
    """
    source.refuse_packed()
    import pyarrow as pa

    mapped = pa.memory_map(str(source.path))
    try:
        try:
            file = pa.ipc.open_file(mapped)
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
        except pa.ArrowInvalid:
            mapped.seek(0)
            batches = iter(pa.ipc.open_stream(mapped))
    except (pa.ArrowException, OSError) as error:
        what = f"not a valid arrow file: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, HINT)) from None

    def checked() -> Iterator[Batch]:
        for batch in batches:
            # A damaged offset would be followed anywhere, and a signal would end the process.
            batch.validate(full=True)
            check_columns(batch.schema.names, source.shown)
            yield batch

    return batch_rows(checked(), source, HINT)
