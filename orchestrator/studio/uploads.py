"""Uploaded files: dataset_info/studio/ID.jsonl with its entry ID.yaml, so that recipes and verbs read them.

The content appears under its name only when it is whole. It is checked at once by what `conch data audit`
runs, which reads foreign formats in its limited child; a file with faults is refused and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO

from orchestrator.datasets.entry import FOLDER, SUFFIXES, DatasetEntry
from orchestrator.datasets.scaffold import entry_text
from orchestrator.errors import ConchError, Problem, UsageError
from orchestrator.execute.data.data_file import DataOptions
from orchestrator.execute.data.scan import audit_file
from orchestrator.execute.host.atomic_files import CHUNK, remove, sha256_file, write_durable
from orchestrator.execute.host.output_file import OutputFile
from orchestrator.outside import one_line
from orchestrator.studio.store import Record, Store, new_id, now

FINE_TUNE, RESULTS = "fine-tune", "fine-tune-results"
_LONGEST_NAME = 200


def folder_of(project: Path) -> Path:
    """The folder of uploads, made if needed; only this user can enter it."""
    folder = project / FOLDER / "studio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def content_path(project: Path, record: Mapping[str, object]) -> Path:
    """The content of a file."""
    return folder_of(project) / f"{record['id']}{record['suffix']}"


def suffix_of(name: str) -> str:
    """What of a name decides how the file is read, e.g. .jsonl or .csv.gz.

    Raises:
        UsageError: Conch reads no such file.
    """
    last = [one.lower() for one in Path(name).suffixes[-2:]]
    known = [one for one in last if one in SUFFIXES]
    if not last or last[-1] not in SUFFIXES:
        what = f"cannot read {last[-1] if last else 'a file without a suffix'}"
        raise UsageError(Problem(what, one_line(name), f"supported: {', '.join(SUFFIXES)}"))
    return "".join(known)


def add_upload(project: Path, store: Store, *, owner: str, name: str, content: IO[bytes]) -> Record:
    """Store and check an upload; returns its record.

    Raises:
        UsageError: its rows cannot be trained; nothing is kept.
        ConchError: as audited(), or the disk is full.
    """
    shown = one_line(Path(name).name, _LONGEST_NAME)
    record: Record = {"id": new_id("file"), "owner": owner, "filename": shown, "suffix": suffix_of(shown)}
    path = content_path(project, record)
    try:
        record |= {"bytes": _write(path, content), "created_at": now(), "purpose": FINE_TUNE}
        record |= _checked(path, shown)
        name = str(record["id"])
        entry = DatasetEntry(name, format=str(record["format"]), file=f"studio/{path.name}")
        title = f"{shown}, uploaded to conch studio."
        write_durable(path.with_name(f"{name}.yaml"), entry_text(entry, title), mode=0o600)
    except BaseException:
        remove_content(project, record)
        raise
    store.put("files", record)
    return record


def _write(path: Path, content: IO[bytes]) -> int:
    size = 0
    with OutputFile.create(path) as output:
        while chunk := content.read(CHUNK):
            output.write(chunk)
            size += len(chunk)
        output.finish()
    path.chmod(0o600)
    return size


def _checked(path: Path, shown: str) -> Record:
    """What the rows are; locations in errors have the name that the client gave."""
    try:
        found = audit_file(path, DataOptions())
        if problems := found.audit.problems(fix="conch data convert FILE --fix", drop="--drop-bad"):
            raise UsageError(*problems)
    except ConchError as error:
        here = str(path)
        named = (
            Problem(one.what.replace(here, shown), one.where.replace(here, shown), one.hint)
            for one in error.problems
        )
        raise UsageError(*named) from None
    return {
        "format": found.format,
        "row_purpose": found.purpose,
        "rows": found.audit.kept,
        "sha256": found.sha256,
        "warnings": dict(found.audit.warnings.counts),
    }


def add_results(project: Path, store: Store, *, name: str, owner: str, filename: str, text: str) -> Record:
    """Store a file that Conch wrote: the results of a job, under the same id each time."""
    record: Record = {"id": name, "owner": owner, "filename": filename, "suffix": ".csv"}
    path = content_path(project, record)
    write_durable(path, text, mode=0o600)
    record |= {"bytes": len(text.encode()), "created_at": now(), "purpose": RESULTS}
    record |= {"sha256": sha256_file(path)}
    store.put("files", record)
    return record


def remove_content(project: Path, record: Mapping[str, object]) -> None:
    """Remove a file's content and entry."""
    path = content_path(project, record)
    for one in (path, path.with_name(f"{record['id']}.yaml")):
        remove(one)


def sweep(project: Path, store: Store) -> None:
    """Remove what a kill left without a record: half of an upload that its client never saw confirmed."""
    known = {str(one["id"]) for one in store.all("files")}
    for path in folder_of(project).iterdir():
        if path.name.lstrip(".").partition(".")[0] not in known:
            remove(path)
