"""`conch serve`: the latest good export behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.verb import Outcome, RunOptions, current_project, progress, run_options, verb


@verb(example="conch serve magic_conch\nCONCH_API_KEY=… conch serve magic_conch --host 0.0.0.0 --port 9000")
@run_options
@click.option(
    "--chat-template",
    type=click.Path(path_type=Path),
    help="Serve with this Jinja file instead of the proven one; needs --accept-mismatch.",
)
@click.option("--host", default=None, help="Address to listen on; default: the recipe's (127.0.0.1).")
@click.option(
    "--port",
    default=None,
    type=click.IntRange(1, 65535),
    help="Port to listen on; default: the recipe's (8000).",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="File of mode 0600 with the API key; default: CONCH_API_KEY.",
)
def command(
    *,
    options: RunOptions,
    chat_template: Path | None,
    host: str | None,
    port: int | None,
    key_file: Path | None,
) -> Outcome:
    """Serve the recipe's latest good export until Ctrl-C. The model name is the recipe's name.

    Refuses to serve when the certificate does not match the exported files, unless you pass
    --accept-mismatch.
    """
    from orchestrator.execute.inference.api_key import read_key
    from orchestrator.execute.project import discovery
    from orchestrator.execute.serving.serve import serve

    project = current_project()
    job = discovery.read_job(
        options.recipe,
        project=project,
        sets=options.sets,
        hardware=options.hardware,
        chat_template=chat_template,
        accept_mismatch=options.accept_mismatch,
    )
    listen = host or job.recipe.serve.host, port or job.recipe.serve.port
    key = read_key(key_file)
    if options.detach:
        from orchestrator.cli.carry_out import start_detached

        files = {"chat_template": chat_template, "key_file": key_file}
        paths = {name: str(path.absolute()) if path else "" for name, path in files.items()}
        return start_detached(options.request("serve", listen=listen, **paths))
    serve(job, project=project, listen=listen, key=key, progress=progress)
    return Outcome()
