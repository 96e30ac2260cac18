"""Rows as parquet with an explicit schema: no type is ever inferred from what a column happens to hold."""

from __future__ import annotations

from typing import Any

from orchestrator.datasets.base import DPO, KTO, PT, SFT, Example
from orchestrator.datasets.targets import sharegpt_row
from orchestrator.execute.host.output_file import OutputFile

BATCH = 1000


class ParquetSink:
    """Writes rows by the thousand; lists and strings of the plain kind, which datasets 4.0 reads."""

    def __init__(self, output: OutputFile, purpose: str) -> None:
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
        self._schema = pa.schema(columns[purpose])
        self._batch = pa.RecordBatch.from_pylist
        self._output = output
        self._writer = pq.ParquetWriter(_Stream(output), self._schema, compression="zstd")
        self._rows: list[Any] = []

    def put(self, example: Example, line: bytes) -> None:  # noqa: ARG002 - the other sink takes the line
        """Take one."""
        self._rows.append(sharegpt_row(example))
        if len(self._rows) >= BATCH:
            self._flush()

    def finish(self) -> str:
        """Write the rest, and give the file its name; its hash."""
        self._flush()
        self._writer.close()
        return self._output.finish()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(self._batch(self._rows, schema=self._schema))
            self._rows = []


class _Stream:
    """What pyarrow writes to."""

    closed = False

    def __init__(self, output: OutputFile) -> None:
        self._write, self._at = output.write, 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._write(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing: the output knows when."""

    def close(self) -> None:
        """Nothing: the output is finished by its owner."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
