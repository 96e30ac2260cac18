"""evalscope 1.14.1 and lm-eval 0.4.13 (extra `api`): their commands and their result files.

Facts read in evalscope/config.py, evalscope/models/openai_compatible.py and evalscope's report JSON of schema
2, in lm_eval/models/openai_completions.py and lm_eval's results_*.json; both were run against a small server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import Problem, UsageError

EVALSCOPE, LM_EVAL = "evalscope", "lm-eval"
# Concurrent requests; vLLM batches them.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark tool.

    Attributes:
        program: the command; {bench} is its environment, {probes} Conch's scripts.
        key: the variable from which it reads the server's key.
        own: the options that Conch sets; a user's value could name another server, or put a key on the argv.
        needs: options of which at least one must say what to ask.
        results: glob of its result files, below the output folder.
    """

    program: tuple[str, ...]
    key: str
    own: frozenset[str]
    needs: tuple[str, ...]
    results: str


BENCHES: Mapping[str, Bench] = {
    # Started by its own program, evalscope reads its key from no variable: its argument has a default.
    EVALSCOPE: Bench(
        ("{bench}/bin/python", "{probes}/bench_evalscope.py", "eval"),
        "CONCH_BENCH_KEY",
        frozenset({"--model", "--api-url", "--api-key", "--eval-type", "--work-dir", "--no-timestamp"}),
        ("--datasets", "--eval-config"),
        "reports/*/*.json",
    ),
    LM_EVAL: Bench(
        ("{bench}/bin/lm-eval", "run"),
        "OPENAI_API_KEY",
        frozenset({"--model", "-M", "--model_args", "-a", "--apply_chat_template", "--output_path", "-o"}),
        ("--tasks", "-t", "--config", "-C"),
        "**/results_*.json",
    ),
}


@dataclass(frozen=True, slots=True)
class Score:
    """One number of one benchmark; n: the number of questions, 0 if unknown."""

    task: str
    metric: str
    value: float
    n: int = 0


def argv(tool: str, *, url: str, model: str, out: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """The command, without any key; `url` includes /v1.

    Raises:
        UsageError: the arguments set an option of Conch's, do not say what to ask, or name a model that the
            tool cannot be given.
    """
    bench = BENCHES[tool]
    given = {word.partition("=")[0] for word in arguments if word.startswith("-")}
    problems = [
        Problem(f"{word} is given by Conch", f"-- {word}", "use --base-url, --model, --key-file and --out")
        for word in sorted(given)
        if any(_means(word, option) for option in bench.own)
    ]
    if not given & set(bench.needs):
        hint = f"conch bench … --with {tool} -- {bench.needs[0]} NAME"
        problems.append(Problem(f"{tool} has no questions to ask: {bench.needs[0]} is missing", hint=hint))
    if tool == LM_EVAL and ("," in model or "=" in model):
        problems.append(
            Problem(f"lm-eval does not accept a model name with a comma or =: {model}", "--model")
        )
    if problems:
        raise UsageError(*problems)
    if tool == EVALSCOPE:
        options = ("--model", model, "--api-url", url, "--eval-type", "openai_api")
        return (*bench.program, *options, "--work-dir", out, "--no-timestamp", *arguments)
    settings = (
        f"base_url={url}/chat/completions,model={model},num_concurrent={AT_ONCE},tokenizer_backend=None"
    )
    server = ("--model", "local-chat-completions", "--model_args", settings, "--apply_chat_template")
    return (*bench.program, *server, "--output_path", out, *arguments)


def _means(word: str, option: str) -> bool:
    """Whether argparse takes a word for an option, which it also does for its beginning."""
    return word == option or (word.startswith("--") and len(word) > 4 and option.startswith(word))  # noqa: PLR2004


def scores(tool: str, found: Any) -> Iterator[Score]:
    """The scores in the JSON of a result file; nothing for another shape."""
    if isinstance(found, dict):
        yield from (_of_evalscope if tool == EVALSCOPE else _of_lm_eval)(found)


def _of_evalscope(found: Mapping[str, Any]) -> Iterator[Score]:
    for metric in found.get("metrics") or ():
        if not isinstance(metric, dict) or not _is_number(metric.get("score")):
            continue
        identity = metric.get("identity") or {}
        dimensions = identity.get("dimensions") or {}
        name = "-".join(str(part) for part in (identity.get("name", "score"), *dimensions.values()))
        yield Score(
            str(found.get("dataset_name", "")), name, float(metric["score"]), _count(metric.get("num"))
        )


def _of_lm_eval(found: Mapping[str, Any]) -> Iterator[Score]:
    for task, one in (found.get("results") or {}).items():
        for name, value in one.items() if isinstance(one, dict) else ():
            metric, comma, filtered = name.partition(",")
            if not comma or metric.endswith("_stderr") or not _is_number(value):
                continue
            shown = metric if filtered == "none" else f"{metric} ({filtered})"
            yield Score(str(task), shown, float(value), _count(one.get("sample_len")))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
