"""CONTRIBUTING's tables are true: what they name exists; one of each kind, added as its row says, is used.

All additions go into one copy of the package and its folders; one process looks for each of them there. Not
covered: rows whose addition only a person or an engine can judge (repairs, corpus, lockfiles, benchmarks).
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLACEHOLDER = re.compile(r"NAME|ROOM|NNNN-name")
PATHS = re.compile(
    r"`((?:orchestrator|tests|recipes|dataset_info|chat_templates|environments|benchmarks|docs)/[^`]+)`"
)
IN_FILE = re.compile(r"((?:`\w+`(?:, | or )?)+) in `([^`]+\.py)`")


def rows(head: str) -> dict[str, list[str]]:
    """First cell → the other cells, of the table under that head."""
    table = TEXT.partition(f"| {head} |")[2].partition("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {line[0]: line[1:] for line in lines}


ADD, CHANGE = rows("to add a"), rows("to change")


def tables_of(text: str) -> list[tuple[str, str]]:
    """(path, name) of each table that a row names."""
    return [(path, name) for names, path in IN_FILE.findall(text) for name in re.findall(r"`(\w+)`", names)]


def defined(path: Path) -> set[str]:
    """The names that a file assigns or defines, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {one.id for one in targets if isinstance(one, ast.Name)}
    return names


@pytest.mark.parametrize("row", [*ADD, *CHANGE])
def test_what_a_row_names_exists(row: str) -> None:
    text = " | ".join(ADD.get(row) or CHANGE[row])
    paths = PATHS.findall(text)
    assert paths or "conch " in text
    for path in paths:
        assert list(ROOT.glob(PLACEHOLDER.sub("*", path))), path
    for path, name in tables_of(text):
        assert name in defined(ROOT / path), f"{name} in {path}"


@dataclass(frozen=True, slots=True)
class Addition:
    """One of a kind, and what shows that Conch uses it.

    Attributes:
        used: a Python expression; `job(recipe, *sets)` and `plan(recipe, *sets)` are there.
        files: path → text. lines: (path, table) → the line. imports: what the line of a table needs.
        edits: path → (text, replacement), for a table whose lines are changed and not added.
    """

    used: str
    files: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[tuple[str, str], str] = field(default_factory=dict)
    imports: str = ""
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def package(name: str, table: str, line: str, text: str, used: str) -> Addition:
    """A module `added` in a package of the orchestrator, and its line in the package's table."""
    path = f"orchestrator/{name}/__init__.py"
    imports = f"from orchestrator.{name.replace('/', '.')} import added\n"
    return Addition(used, {f"orchestrator/{name}/added.py": text}, {(path, table): line}, imports)


def like(path: str, *changes: tuple[str, str]) -> str:
    """The text of a file, parts of it replaced."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new)
    return text


VERB = """
from orchestrator.cli.verb import Outcome, verb


@verb(example="conch added")
def added() -> Outcome:
    \"""Add.\"""
    return Outcome(data={}, text="it is added")


command = added
"""
CHECK = """
from orchestrator.checks.base import LastAnswerCheck
from orchestrator.results import Sentence


class MentionsUrl(LastAnswerCheck[bool]):
    name = "mentions_url"

    def expected(self, argument):
        return "a URL"

    def result(self, turn, argument):
        return "://" in turn.content, Sentence("it has a URL or none", "有或没有网址")

    def problem(self, argument):
        return None if argument is True else "must be true"


CHECK = MentionsUrl()
"""
ROUTE = """
from fastapi import APIRouter

router = APIRouter()


@router.get("/added")
def added(): ...
"""
STAGE = """
from dataclasses import dataclass

from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.base import task


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedSettings:
    out: str


def stage(job):
    file, command = task("added", AddedSettings(out="added.txt"))
    return Stage(name="added", files=(file,), commands=(command,), outputs=("added.txt",))
"""
TASK = """
from pathlib import Path

from orchestrator.plan.stages.added import AddedSettings


def added(settings: AddedSettings, folder: Path) -> int:
    (folder / settings.out).write_text("done")
    return 0
"""
READER = """
def read(source):
    yield from enumerate(({"text": line} for line in source.lines()), start=1)
"""
ENGINE = like("orchestrator/backends/vllm.py", ('engine="vllm"', 'engine="added"'))
RECIPE = "# conch run added\nextends: smoke\ndata: {dataset: added}\n"
ROW = '{"instruction": "a", "input": "", "output": "b"}\n'
DATA = "format: alpaca\nfile: data/added.jsonl\nlicence: Apache-2.0\nsource: written here\n"
RATE = "        learning_rate=1.5e-3,\n"

ADDITIONS: dict[str, Addition] = {
    "verb": Addition(
        'run_cli("added") == "it is added"',
        {"orchestrator/cli/added.py": VERB},
        {("orchestrator/cli/main.py", "VERBS"): '"added": "Add."'},
    ),
    "stage": Addition(
        '"added" in [stage.name for stage in plan("smoke").stages] and title_of("added").zh == "添加"',
        {"orchestrator/plan/stages/added.py": STAGE},
        {
            ("orchestrator/plan/stages/__init__.py", "STAGES"): '"added"',
            ("orchestrator/plan/titles.py", "TITLES"): '"added": Sentence("Adding", "添加")',
        },
    ),
    "task of a stage": Addition(
        'run_task("added", settings(out="added.txt"), HERE) == 0 and (HERE / "added.txt").is_file()',
        {"orchestrator/execute/data/added.py": TASK},
        {
            (
                "orchestrator/execute/runner/task.py",
                "TASKS",
            ): '"added": "orchestrator.execute.data.added:added"'
        },
    ),
    "check": package(
        "checks",
        "CHECKS",
        "added",
        CHECK,
        'job("smoke", "verify.checks=[{ask: hi, expect: {mentions_url: true}}]") and CHECKS["mentions_url"]',
    ),
    "metric": package(
        "metrics",
        "METRICS",
        "added",
        'name = "added"\n\n\ndef score(predict, label):\n    return 50.0\n',
        'job("smoke", "verify.checks=[{ask: hi, expect: {similar: {to: a, least: 0.4, by: added}}}]")',
    ),
    "proof": Addition(
        '[proof.name for proof in read_proofs(proof_of("added", "proofs/added.json"))] == ["added"]',
        {"orchestrator/proofs/added.py": "def prove(facts):\n    return facts\n"},
        {("orchestrator/proofs/__init__.py", "PROOFS"): '"added": "proofs/added.json"'},
    ),
    "data format": package(
        "datasets/formats",
        "FORMATS",
        '"added": added',
        like("orchestrator/datasets/formats/firefly.py", ('"firefly"', '"added"'), ('"target"', '"outcome"')),
        'recognise({"input": "a", "outcome": "b"})[0] == "added"',
    ),
    "reader of a file type": Addition(
        'rows_of("x.added", "one\\ntwo\\n") == [{"text": "one"}, {"text": "two"}]',
        {"orchestrator/execute/data/readers/added.py": READER},
        {
            ("orchestrator/execute/data/readers/__init__.py", "READERS"): '".added": added.read',
            ("orchestrator/datasets/entry.py", "SUFFIXES"): '".added"',
        },
        "from orchestrator.execute.data.readers import added\n",
    ),
    "training kind": package(
        "plan/kinds",
        "KINDS",
        '"added": added',
        like("orchestrator/plan/kinds/sft.py", ('{"stage": "sft"}', '{"stage": "added"}')),
        '"stage: added" in text_of(plan("smoke", "train.kind=added"), "train.yaml")',
    ),
    "template family": package(
        "templates/families",
        "FAMILIES",
        '"added": added.FAMILY',
        like("orchestrator/templates/families/llama3.py", ('"llama3": Layout', '"added": Layout')),
        '"<|start_header_id|>" in layout_of("added").opens and write_jinja("added", "off", "keep")',
    ),
    "serving engine": Addition(
        '"added" in [s.service.engine for s in plan("smoke", "serve.engine=added").stages if s.service]',
        {"orchestrator/backends/added.py": ENGINE},
        {("orchestrator/backends/engines.py", "ENGINES"): '"added": added'},
        "from orchestrator.backends import added\n",
    ),
    "hub": Addition(
        'plan("smoke", "model={base: org/model, hub: added}") and HUBS["added"].home_page == "https://a.test"',
        {
            "orchestrator/hubs/added.py": "from orchestrator.hubs.base import Hub\n\n"
            'hub = Hub(name="added", home_page="https://a.test", token="A_TOKEN", endpoint="A_URL")\n',
            "orchestrator/probes/hubs/added.py": "class Client:\n    pass\n",
        },
        {("orchestrator/hubs/__init__.py", "REMOTE"): "added.hub"},
        "from orchestrator.hubs import added\n",
    ),
    "address of the studio": package(
        "studio/routes",
        "ROUTERS",
        '"added": added.router',
        ROUTE,
        'build(HERE, Settings()).openapi()["paths"]["/added"]',
    ),
    "launcher": package(
        "execute/launchers",
        "LAUNCHERS",
        '"added": added',
        "from orchestrator.execute.launchers.local import start\n",
        'job("smoke", "launch.launcher=added") and launcher("added").start',
    ),
    "hardware default": Addition(
        'job("magic_conch").recipe.train.learning_rate == 7.7e-3',
        edits={"orchestrator/recipe/hardware.py": (RATE, RATE.replace("1.5", "7.7"))},
    ),
    "recipe": Addition('job("added").recipe.name == "added"', {"recipes/added.yaml": RECIPE}),
    "dataset": Addition(
        'job("smoke", "data.dataset=added").datasets[0].name == "added"',
        {"dataset_info/added.yaml": DATA, "dataset_info/data/added.jsonl": ROW},
    ),
}

LOOK = r"""
import json, sys, tempfile
from pathlib import Path
from types import SimpleNamespace
from orchestrator.checks import CHECKS
from orchestrator.cli import main
from orchestrator.datasets.formats import recognise
from orchestrator.execute.data.readers import READERS
from orchestrator.execute.launchers import launcher
from orchestrator.execute.project import discovery
from orchestrator.execute.run_store.load_report import read_proofs
from orchestrator.execute.runner.task import run_task
from orchestrator.hubs import HUBS
from orchestrator.plan.plan import build_plan
from orchestrator.plan.titles import title_of
from orchestrator.studio.app import build
from orchestrator.studio.context import Settings
from orchestrator.templates.families import layout_of
from orchestrator.templates.writer import write_jinja

HERE = Path.cwd()


def job(recipe, *sets):
    return discovery.read_job(recipe, project=HERE, sets=sets, hardware="cpu")


def plan(recipe, *sets):
    return build_plan(job(recipe, *sets))


def text_of(made, name):
    return next(file.text for stage in made.stages for file in stage.files if file.path == name)


def settings(**values):
    path = HERE / "settings.json"
    path.write_text(json.dumps(values))
    return path


def proof_of(name, path):
    folder = Path(tempfile.mkdtemp())
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text(json.dumps(
        {"name": name, "holds": True, "covered": "", "numbers": {}, "detail": "", "not_covered": ""}
    ))
    return folder


def rows_of(name, text):
    read = READERS[Path(name).suffix]
    return [row for _, row in read(SimpleNamespace(lines=lambda: text.splitlines(), notes=[]))]


def run_cli(*words):
    import contextlib, io
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main.run(words) == 0
    return out.getvalue().strip()


found = {}
for name, expression in json.loads(sys.stdin.read()).items():
    try:
        found[name] = "" if eval(expression) else "not used"
    except BaseException as error:
        found[name] = repr(error)
print(json.dumps(found))
"""


def insert(path: Path, table: str, line: str, imports: str) -> None:
    """Add a line to a table: a dict, a tuple, or a dict made of one."""
    text = path.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(
            isinstance(one, ast.Name) and one.id == table for one in targets
        ):
            value = node.value.generators[0].iter if isinstance(node.value, ast.DictComp) else node.value
            assert isinstance(value, ast.Dict | ast.Tuple)
            rows = text.encode().splitlines(keepends=True)
            at = sum(map(len, rows[: (value.end_lineno or 0) - 1])) + (value.end_col_offset or 0) - 1
            data = text.encode()
            before = data[:at].rstrip().removesuffix(b",")
            start = sum(map(len, rows[: node.lineno - 1]))
            whole = before[:start] + imports.encode() + before[start:] + f", {line}".encode() + data[at:]
            path.write_bytes(whole)
            return
    raise AssertionError(f"no {table} in {path}")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is wrong with each addition, all of them in one copy; "" where Conch uses it."""
    copy = tmp_path_factory.mktemp("added")
    for folder in ("orchestrator", "recipes", "dataset_info", "chat_templates", "environments"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for one in ADDITIONS.values():
        for name, text in one.files.items():
            assert not (copy / name).exists()
            (copy / name).write_text(text, encoding="utf-8")
        for (name, table), line in one.lines.items():
            insert(copy / name, table, line, "" if table in ("TITLES", "SUFFIXES") else one.imports)
        for name, (old, new) in one.edits.items():
            (copy / name).write_text(like(name, (old, new)), encoding="utf-8")
    asked = json.dumps({name: one.used for name, one in ADDITIONS.items()})
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=copy, input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("kind", ADDITIONS)
def test_what_is_added_as_the_row_says_is_used(kind: str, found: dict[str, str]) -> None:
    assert found[kind] == ""


@pytest.mark.parametrize("kind", ADDITIONS)
def test_the_row_says_all_that_was_added(kind: str) -> None:
    one, text = ADDITIONS[kind], " | ".join(ADD[kind])
    patterns = [
        re.escape(path).replace("NAME", "added").replace("ROOM", r"\w+") for path in PATHS.findall(text)
    ]
    for path in one.files:
        assert any(re.fullmatch(pattern, path) for pattern in patterns), f"{path} is not in the row"
    tables = set(tables_of(text))
    assert one.lines.keys() <= tables
    assert set(one.edits) <= {path for path, _ in tables}


def test_every_extension_point_has_an_addition() -> None:
    by_hand = (
        "training method",
        "chat template of your own",
        "repair",
        "odd",
        "hardware lockfile",
        "benchmark",
        "decision",
    )
    assert {row for row in ADD if not row.startswith(by_hand)} == set(ADDITIONS)


def test_the_ten_questions_have_an_answer() -> None:
    asked = {"template family", "check", "training kind", "serving engine", "launcher", "hub"}
    assert asked <= set(ADD)
    assert {
        "the default learning rate on CPU",
        "how a run is locked",
        "a column of the HTML report",
        "how long a server may take to be ready",
    } <= set(CHANGE)
