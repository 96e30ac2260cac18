"""`conch doctor`: what is missing on this machine, and the command that fixes it."""

from __future__ import annotations

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, hardware_option, verb


@verb(example="conch doctor\nconch doctor --hardware cuda --json")
@hardware_option
def command(hardware: str) -> Outcome:
    """Report what is missing and the command that fixes it; exit 3 if a run cannot work."""
    from dataclasses import asdict

    from orchestrator.errors import MissingError, Problem
    from orchestrator.execute.doctor import Condition, examine
    from orchestrator.execute.host import machine
    from orchestrator.outside import one_line

    profile = machine.profile(hardware)
    findings = examine(profile)
    missing = [finding for finding in findings if finding.status is Condition.MISSING]
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<8} {finding.id:<22} {one_line(finding.what)}")
        if finding.hint and finding not in missing:  # missing ones are listed at the end, with their hints
            lines.append(f"{'':<31} → {runnable(finding.hint)}")
    lines.append(f"\n{len(missing)} missing" if missing else "\nnothing is missing")
    data = {"hardware": profile, "findings": [asdict(finding) for finding in findings]}
    problems = tuple(Problem(finding.what, hint=finding.hint) for finding in missing)
    return Outcome(data, "\n".join(lines), MissingError.exit_code if missing else 0, problems)
