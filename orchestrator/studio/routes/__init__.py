"""The addresses of the studio: one module a group, each with a `router`, and their table.

A route gets the studio and the caller from context.py, and shows or changes only what the caller owns. To add
one: a file, its line below, and how another name is kept out of it in tests/studio/test_isolation.py.
"""

from fastapi import APIRouter

from orchestrator.studio.routes import completions, feedback, files, jobs, models, service

ROUTERS: dict[str, APIRouter] = {
    "files": files.router,
    "jobs": jobs.router,
    "models": models.router,
    "completions": completions.router,
    "feedback": feedback.router,
    "service": service.router,
}
