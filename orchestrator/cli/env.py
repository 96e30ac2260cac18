"""`conch env`: build the engine environments, compile their lockfiles, audit their packages."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Group, Outcome, hardware_option, progress, verb


@click.group(
    name="env", cls=Group, epilog="\b\nExample:\n  conch env sync\n  conch env compile\n  conch env audit"
)
def command() -> None:
    """Build, compile or audit the engine environments."""


@verb(example="conch env sync\nconch env sync serve --hardware cpu")
@click.argument("name", type=click.Choice(["train", "serve", "ppo", "evalscope", "lm-eval"]), required=False)
@hardware_option
def sync(name: str | None, hardware: str) -> Outcome:
    """Build the train and serve environments in CONCH_HOME, unless they exist.

    Every package is pinned and hashed (environments/). The CPU build of torch comes from PIP_FIND_LINKS if
    set, else from PyTorch's own index; CONCH_UV names another uv. evalscope and lm-eval, for `conch bench`,
    are built only when you name them here or first use them; ppo, for train.kind: ppo, only when you name it.
    Its packages below the security floor are listed: docs/security.md.
    """
    import time

    from orchestrator.execute.environments import build, registry
    from orchestrator.execute.environments.minimum_versions import below_floor
    from orchestrator.execute.host import machine, signals

    profile = machine.profile(hardware)
    made: dict[str, dict[str, object]] = {}
    with signals.catch_signals():
        for each in (name,) if name else registry.NAMES:
            started = time.monotonic()
            where = registry.ANY if each in registry.BENCHES else profile
            folder = build.sync(each, where, progress)
            made[each] = {"folder": str(folder), "seconds": round(time.monotonic() - started, 1)}
            if older := below_floor(folder, each):
                made[each]["below_floor"] = older
                progress(f"{each}: {'; '.join(older)}")
    text = "\n".join(f"{each:<9} {found['folder']}  ({found['seconds']} s)" for each, found in made.items())
    return Outcome({"hardware": profile, "environments": made}, text)


@verb(example="conch env compile")
def compile_() -> Outcome:
    """Compile the lockfiles under environments/ from their .in files.

    Resolves the newest versions that the .in files allow. CUDA files are resolved but not installed.
    """
    from orchestrator.execute.environments.compile import compile_all
    from orchestrator.execute.host import signals

    with signals.catch_signals():
        paths = [str(path) for path in compile_all(progress)]
    return Outcome({"files": paths}, "\n".join(paths))


@verb(example="conch env audit")
def audit() -> Outcome:
    """Look up known vulnerabilities of every pinned package, with pip-audit.

    If no advisory service can be reached, a dated table is used instead, and the output says so. Exits 5 when
    a vulnerability is not accepted with a reason, or when a package was skipped.
    """
    from dataclasses import asdict

    from orchestrator.errors import CheckFailed, Problem
    from orchestrator.execute.environments.audit import audit as look

    done = look(progress)
    lines = [f"source      {done.source}", f"packages    {done.packages} pinned"]
    lines += [
        f"{'accepted' if one.accepted else 'KNOWN':<11} {one.id}  {one.package} {one.version} "
        f"({one.lockfile}): {one.accepted or one.what}"
        for one in done.found
    ]
    lines += [f"SKIPPED     {one}" for one in done.skipped]
    problems = [
        Problem(f"{one.id}: {one.package} {one.version}: {one.what}", one.lockfile, "conch env compile")
        for one in done.open
    ]
    problems += [Problem("was not looked up", one, "try again later") for one in done.skipped]
    data = {"source": done.source, "packages": done.packages, "found": [asdict(one) for one in done.found]}
    code = CheckFailed.exit_code if problems else 0
    return Outcome({**data, "skipped": list(done.skipped)}, "\n".join(lines), code, tuple(problems))


command.add_command(sync, "sync")
command.add_command(compile_, "compile")
command.add_command(audit, "audit")
