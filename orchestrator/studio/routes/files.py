"""/v1/files: upload, list, retrieve, content, delete."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import FileResponse

from orchestrator.errors import ConchError
from orchestrator.studio.context import ForFiles, Here, Studio
from orchestrator.studio.errors import ApiError, Json, not_found, of_conch
from orchestrator.studio.job_queue import unfinished
from orchestrator.studio.keys import Caller
from orchestrator.studio.store import Record, page, seconds
from orchestrator.studio.uploads import FINE_TUNE, add_upload, content_path, remove_content

router = APIRouter(prefix="/v1/files", tags=["files"])
# What a form holds beside its file.
_SLACK = 64 << 10
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": [FINE_TUNE]},
                    },
                }
            }
        },
    }
}


@router.post("", openapi_extra=_FORM)
async def upload(request: Request, here: Here, who: ForFiles) -> Json:
    """Upload a data file of any format that Conch reads; it is checked at once."""
    most = here.settings.most_upload
    form = await _form(request, most)
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ApiError(400, "file: no file was sent", code="missing_required_parameter", param="file")
    name = file.filename or "upload.jsonl"
    try:
        if form.get("purpose") != FINE_TUNE:
            raise ApiError(400, f"purpose must be {FINE_TUNE}", code="invalid_value", param="purpose")
        record = await run_in_threadpool(
            add_upload, here.project, here.store, owner=who.name, name=name, content=file.file
        )
    except ConchError as error:
        raise of_conch(error, param="file") from None
    finally:
        await file.close()
    return Json(shown_file(record))


class _TooLargeError(MultiPartException):
    """Ends the parsing of a form, whose files are then closed."""


async def _form(request: Request, most: int) -> dict[str, UploadFile | str]:
    async def counted() -> AsyncGenerator[bytes, None]:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > most + _SLACK:
                raise _TooLargeError(_too_large(most).message)
            yield chunk

    if int(request.headers.get("content-length") or 0) > most + _SLACK:
        raise _too_large(most)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(400, "send the file as multipart/form-data", code="invalid_content_type")
    try:
        parser = MultiPartParser(request.headers, counted(), max_files=1, max_fields=20)
        return dict((await parser.parse()).items())
    except _TooLargeError:
        raise _too_large(most) from None
    except (MultiPartException, KeyError, ValueError) as error:
        raise ApiError(400, f"the form cannot be read: {error}", code="invalid_form") from None


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"the file is larger than {most >> 20} MB", code="file_too_large", param="file")


@router.get("")
def list_files(  # noqa: PLR0917  FastAPI gives them by name
    here: Here,
    who: ForFiles,
    purpose: str = "",
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
) -> Json:
    """The caller's files."""
    records = here.store.all("files", who.owners, descending=order == "desc")
    records = [one for one in records if purpose in ("", one["purpose"])]
    return Json(page(records, shown_file, after=after, limit=limit))


@router.get("/{file_id}")
def retrieve(file_id: str, here: Here, who: ForFiles) -> Json:
    """One file."""
    return Json(shown_file(file_of(here, who, file_id)))


@router.get("/{file_id}/content")
def content(file_id: str, here: Here, who: ForFiles) -> FileResponse:
    """The bytes of a file."""
    record = file_of(here, who, file_id)
    path = content_path(here.project, record)
    if not path.is_file():
        raise not_found("file", file_id)
    return FileResponse(path, media_type="application/octet-stream", filename=str(record["filename"]))


@router.delete("/{file_id}")
def delete(file_id: str, here: Here, who: ForFiles) -> Json:
    """Delete a file; 409 while a job needs it."""
    record = file_of(here, who, file_id)
    for job in unfinished(here.store):
        if file_id in (job["training_file"], job["validation_file"]):
            what = f"the job {job['id']} needs this file"
            raise ApiError(409, what, code="file_in_use", param="file_id")
    here.store.delete("files", file_id)
    remove_content(here.project, record)
    return Json({"id": file_id, "object": "file", "deleted": True})


def file_of(here: Studio, who: Caller, name: str, *, param: str = "") -> Record:
    """A file that the caller owns; ApiError 404."""
    record = here.store.get("files", name, who.owners)
    if record is None:
        error = not_found("file", name)
        error.param = param or error.param
        raise error
    return record


def shown_file(record: Record) -> dict[str, object]:
    """OpenAI's file, and under `conch` what the check found."""
    found = {key: record[key] for key in ("format", "rows", "warnings", "sha256") if key in record}
    return {
        "object": "file",
        "id": record["id"],
        "bytes": record["bytes"],
        "created_at": seconds(record["created_at"]),
        "filename": record["filename"],
        "purpose": record["purpose"],
        "status": "processed",
        "status_details": None,
        "expires_at": None,
        "conch": found,
    }
