"""Every plug is on its board, every module has its test, and what lies beside the code is whole.

A module is the plug, a dict is the board: a file that was added without its line, or without a test, is
found here. Not covered: whether a test is a good one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from orchestrator.checks import CHECKS, EVERY
from orchestrator.cli.data import DATA_VERBS
from orchestrator.cli.main import VERBS, conch
from orchestrator.cli.runs import RUNS_VERBS
from orchestrator.datasets.formats import ADAPTERS
from orchestrator.execute.runner.task import TASKS
from orchestrator.plan.stages import STAGES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "orchestrator"
TESTS = ROOT / "tests"

# What is tested by a test that does not bear its name: a module, or with a slash at the end a whole folder.
COVERED_BY: Mapping[str, str] = {
    "cli/text/bases.py": "cli/test_compare_bases.py",
    "cli/carry_out.py": "cli/test_run.py",
    "cli/data.py": "cli/test_data_audit.py",
    "cli/data_options.py": "cli/test_data_convert.py",
    "cli/text/live.py": "cli/test_sft.py",
    "cli/text/page_file.py": "cli/test_data_preview.py",
    "cli/rm.py": "cli/test_runs.py",
    "cli/runs_diff.py": "cli/test_runs.py",
    "cli/runs_ls.py": "cli/test_runs.py",
    "cli/runs_show.py": "cli/test_runs.py",
    "cli/status.py": "cli/test_runs.py",
    "recipe/answers.py": "recipe/test_sections.py",
    "recipe/section.py": "recipe/test_sections.py",
    "plan/validation.py": "plan/test_plan.py",
    "datasets/json_text.py": "datasets/test_rows.py",
    "execute/servers/lora_adapters.py": "cli/test_eval.py",
    "execute/evaluating/base_stages.py": "cli/test_compare_bases.py",
    "execute/evaluating/compare_bases.py": "cli/test_compare_bases.py",
    "execute/evaluating/compare_models.py": "cli/test_compare.py",
    "execute/runner/trial.py": "execute/runner/test_sweep.py",
    "execute/runner/pruning.py": "execute/runner/test_sweep.py",
    "execute/runner/trials_file.py": "execute/runner/test_sweep.py",
    "execute/runner/end_early.py": "execute/runner/test_end_early.py",
    "execute/evaluating/evaluate.py": "cli/test_eval.py",
    "execute/evaluating/evaluate_run.py": "cli/test_eval.py",
    "execute/runner/stage_cache.py": "execute/runner/test_loop.py",
    "execute/proving/standalone_parity.py": "cli/test_parity.py",
    "execute/processes/parallel_command.py": "execute/runner/test_loop.py",
    "execute/servers/health.py": "execute/servers/test_service.py",
    "execute/data/encode_rows.py": "cli/test_data_preview.py",
    "execute/data/convert.py": "cli/test_data_convert.py",
    "execute/data/rejects.py": "cli/test_data_convert.py",
    "execute/processes/diagnosis.py": "execute/processes/test_process.py",
    "execute/run_store/fingerprint.py": "execute/runner/test_loop.py",
    "execute/runner/log_follower.py": "execute/runner/test_loop.py",
    "execute/run_store/certify.py": "execute/serving/test_serve.py",
    "execute/processes/watchdog.py": "execute/processes/test_process.py",
    "execute/data/held_out.py": "execute/data/test_prepare.py",
    "execute/evaluating/check_target.py": "cli/test_target.py",
    "execute/reporting/read_curve.py": "execute/runner/test_end_early.py",
    "execute/models/hub/": "execute/models/test_hub.py",
    "execute/host/signals.py": "execute/processes/test_process.py",
    "execute/host/jsonl.py": "execute/inference/test_logprobs.py",
    "execute/data/manner.py": "execute/data/test_scan.py",
    "execute/host/parquet_writer.py": "cli/test_data_convert.py",
    "execute/processes/spawn_daemon.py": "cli/test_detach.py",
    "execute/servers/restarts.py": "execute/serving/test_serve.py",
    "execute/run_store/run_logs.py": "cli/test_logs.py",
    "execute/daemon.py": "cli/test_detach.py",
    "execute/environments/preflight.py": "test_bad_input.py",
    "execute/data/preview.py": "cli/test_data_preview.py",
    "execute/processes/progress.py": "execute/runner/test_loop.py",
    "execute/proving/prove.py": "cli/test_prove.py",
    "execute/data/readers/": "execute/data/readers/test_readers.py",
    "execute/run_store/record_hashes.py": "execute/proving/test_prove_hashes.py",
    "execute/reporting/renew_report.py": "cli/test_report.py",
    "execute/run_store/load_report.py": "cli/test_run.py",
    "execute/runner/run_plan.py": "cli/test_run.py",
    "execute/reporting/screen.py": "cli/test_report.py",
    "execute/data/statistics.py": "cli/test_data_stats.py",
    "execute/data/split.py": "cli/test_data_split.py",
    "execute/serving/serve_checkpoint.py": "cli/test_chat_checkpoint.py",
    "execute/run_store/stop.py": "cli/test_stop.py",
    "execute/runner/stall.py": "execute/runner/test_checkpoints.py",
    "execute/project/discovery.py": "test_bad_input.py",
    "execute/processes/process_tree.py": "execute/processes/test_process.py",
    "execute/processes/child_environment.py": "execute/processes/test_process.py",
    "backends/trainer_log.py": "backends/test_llamafactory.py",
    "plan/job.py": "plan/test_plan.py",
    "html/verdict.py": "html/test_run_page.py",
    "probes/hub_download.py": "execute/models/test_hub.py",
    "probes/hub_failures.py": "execute/models/test_hub_choice.py",
    "probes/labels.py": "probes/test_training_ids.py",
    "probes/lora.py": "probes/test_merge_check.py",
    "probes/merge_rows.py": "probes/test_merge_check.py",
    "probes/quick_render.py": "probes/test_serving_ids.py",
    "probes/spellings.py": "probes/test_serving_ids.py",
    "probes/weights.py": "probes/test_merge_check.py",
    "proofs/requests.py": "execute/proving/test_prove_served.py",
    "proofs/scores.py": "proofs/test_loss.py",
    "plan/stages/": "plan/stages/test_stages.py",
    "templates/sides.py": "templates/test_causes.py",
    "metrics/": "metrics/test_metrics.py",
}


@dataclass(frozen=True, slots=True)
class Board:
    """A room, its table, and the top-level name by which a file there is known as a plug."""

    room: str
    table: Mapping[str, object]
    mark: str
    prefix: str = ""


BOARDS = (
    Board("cli", VERBS, "command"),
    Board("cli", DATA_VERBS, "command", "data_"),
    Board("cli", RUNS_VERBS, "command", "runs_"),
    Board("plan/stages", STAGES, "stage"),
    Board("checks", CHECKS, "judge"),
    Board("datasets/formats", ADAPTERS, "sniff"),
)


def _modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if path.name != "__init__.py"]


def _names(path: Path) -> set[str]:
    """The top-level names that a file defines."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _plugs(board: Board) -> list[str]:
    room = sorted((PACKAGE / board.room).glob("*.py"))
    plugs = [path.stem for path in room if path.name != "__init__.py" and board.mark in _names(path)]
    return [name.removeprefix(board.prefix) for name in plugs if _is_of(name, board)]


def _is_of(name: str, board: Board) -> bool:
    """Whether a plug of a room is of this board: `data_audit` is a verb of `conch data`."""
    others = [other.prefix for other in BOARDS if other.room == board.room and other != board]
    return name.startswith(board.prefix) and not any(name.startswith(one) for one in others if one)


def _test_of(path: Path) -> Path:
    """tests/ROOM/test_NAME.py of orchestrator/ROOM/NAME.py."""
    inside = path.relative_to(PACKAGE)
    return TESTS / inside.parent / f"test_{inside.stem}.py"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.room + board.prefix)
def test_every_plug_has_its_line_and_every_line_its_plug(board: Board) -> None:
    assert sorted(_plugs(board)) == sorted(board.table)


@pytest.mark.parametrize("module", _modules(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_has_its_test(module: Path) -> None:
    inside = str(module.relative_to(PACKAGE))
    stated = COVERED_BY.get(inside) or COVERED_BY.get(f"{Path(inside).parent}/")
    test = TESTS / stated if stated else _test_of(module)
    assert test.is_file(), f"write {test.relative_to(ROOT)}, or say in COVERED_BY what tests {inside}"


def test_what_is_stated_of_tests_is_so() -> None:
    for module, test in COVERED_BY.items():
        assert (PACKAGE / module).exists(), module
        assert (TESTS / test).is_file(), test


def test_every_verb_has_help_with_an_example() -> None:
    import click

    for name in VERBS:
        command = conch.get_command(click.Context(conch), name)
        assert command is not None
        help_ = command.get_help(click.Context(command, info_name=name))
        assert f"conch {name}" in help_, f"{name} --help has no example"
        assert command.help, f"{name} has no docstring"


def test_every_task_is_a_function() -> None:
    for name, place in TASKS.items():
        module, _, function = place.partition(":")
        assert callable(getattr(import_module(module), function)), name


def test_the_checks_of_every_answer_need_no_argument() -> None:
    for name in EVERY:
        assert CHECKS[name].problem(True) is None, name


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_opens_with_the_commands_that_run_it(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    opening = re.match(r"(#[^\n]*\n)+", text)
    assert opening
    assert re.search(rf"conch (run|sft|plan) {recipe.stem}\b", opening[0])
    for verb in re.findall(r"# +conch (\w+)", opening[0]):
        assert verb in VERBS


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_has_its_golden_plans(recipe: Path) -> None:
    assert list((TESTS / "golden").glob(f"{recipe.stem}*"))


def test_every_chat_template_is_a_pair() -> None:
    folder = ROOT / "chat_templates"
    assert {path.stem for path in folder.glob("*.jinja")} == {path.stem for path in folder.glob("*.yaml")}


@pytest.mark.parametrize("entry", sorted((ROOT / "dataset_info").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_data_set_has_its_files_and_its_licence(entry: Path) -> None:
    said = yaml.safe_load(entry.read_text(encoding="utf-8"))
    assert said["adapter"] in ADAPTERS
    assert said["licence"]
    for key in ("file", "paraphrases"):
        assert key not in said or (entry.parent / said[key]).is_file(), said[key]
