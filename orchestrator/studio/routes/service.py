"""/healthz, /metrics and /docs: for whoever looks after the server."""

from __future__ import annotations

from collections import Counter

import orjson
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, PlainTextResponse

from orchestrator.html.layout import page
from orchestrator.studio.context import ForAdmin, Here
from orchestrator.studio.errors import Json

router = APIRouter(tags=["service"])


@router.get("/healthz")
def healthz(here: Here) -> Json:
    """Whether the server works: it reads its store. Needs no key."""
    here.store.all("jobs", state="running")
    return Json({"status": "ok"})


@router.get("/metrics")
def metrics(here: Here, who: ForAdmin) -> PlainTextResponse:  # noqa: ARG001  it must be an admin
    """Counts in the text format of Prometheus."""
    jobs = Counter(str(one["state"]) for one in here.store.all("jobs"))
    loaded = here.servers.loaded
    lines = ["# TYPE conch_requests_total counter"]
    lines += [
        f'conch_requests_total{{route="{route}",status="{status}"}} {count}'
        for (route, status), count in sorted(here.served.copy().items())
    ]
    lines += [
        "# TYPE conch_jobs gauge",
        *(f'conch_jobs{{state="{state}"}} {n}' for state, n in sorted(jobs.items())),
    ]
    lines += ["# TYPE conch_models_loaded gauge", f"conch_models_loaded {len(loaded)}"]
    lines += ["# TYPE conch_requests_running gauge", f"conch_requests_running {sum(loaded.values())}"]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """Every address, its parameters and its body. Needs no key, and loads nothing."""
    schema = request.app.openapi()
    routes = [
        {
            "method": method.upper(),
            "path": path,
            "summary": one.get("description") or one.get("summary", ""),
            "parameters": [f"{each['name']} ({each['in']})" for each in one.get("parameters", ())],
            "body": orjson.dumps(one["requestBody"], option=orjson.OPT_INDENT_2).decode()
            if "requestBody" in one
            else "",
        }
        for path, methods in schema["paths"].items()
        for method, one in methods.items()
    ]
    schemas = orjson.dumps(schema.get("components", {}), option=orjson.OPT_INDENT_2).decode()
    return HTMLResponse(page("api", "Conch studio", {"routes": routes, "schemas": schemas}))
