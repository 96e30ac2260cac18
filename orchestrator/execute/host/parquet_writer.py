"""Rows as parquet with an explicit schema, so that no type is inferred from the values of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.datasets.base import DPO, KTO, PT, SFT, Example
from orchestrator.datasets.targets import sharegpt_row
from orchestrator.execute.host.output_file import OutputFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BATCH = 1000


class ParquetSink:
    """Writes rows in batches, with plain lists and strings, which datasets 4.0 can read."""

    def __init__(self, output: OutputFile, purpose: str, *, tools: bool = False) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        message = pa.struct([("role", pa.string()), ("content", pa.string())])
        messages = ("messages", pa.list_(message))
        columns = {
            SFT: [messages],
            DPO: [messages, ("chosen", message), ("rejected", message)],
            KTO: [messages, ("kto_tag", pa.bool_())],
            PT: [("text", pa.string())],
        }
        self._schema = pa.schema([*columns[purpose], *([("tools", pa.string())] if tools else [])])
        self._tools = {"tools": ""} if tools else {}
        self._batch = pa.RecordBatch.from_pylist
        self._output = output
        self._writer = pq.ParquetWriter(_Stream(output), self._schema, compression="zstd")
        self._rows: list[object] = []

    def put(self, example: Example) -> None:
        """Add a row."""
        self._rows.append({**self._tools, **sharegpt_row(example)})
        if len(self._rows) >= BATCH:
            self._flush()

    def finish(self) -> str:
        """Write the rest and rename the file; returns its hash."""
        self._flush()
        self._writer.close()
        return self._output.finish()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(self._batch(self._rows, schema=self._schema))
            self._rows = []


class _Stream:
    """The file object that pyarrow writes to."""

    closed = False

    def __init__(self, output: OutputFile) -> None:
        self._write, self._at = output.write, 0

    def write(self, data: ReadableBuffer) -> int:
        data = bytes(data)
        self._write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Does nothing: the output buffers."""

    def close(self) -> None:
        """Does nothing: the owner finishes the output."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
