"""Statistics of datasets in the terminal: lines of facts, and histograms of bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.html.layout import number, share
from orchestrator.outside import one_line, visible

PERCENTILES = ("50", "90", "95", "99")
BAR = 40
SHOWN = 60
NO_TOKENS = "not counted: --recipe RECIPE or --tokenizer DIR counts them"


def stats_text(data_sets: Sequence[Mapping[str, Any]]) -> str:
    """All datasets, one after another."""
    return "\n\n".join("\n".join(_lines(one)) for one in data_sets)


def _lines(one: Mapping[str, Any]) -> Iterator[str]:
    yield _line("file", f"{one['file']}, read as {one['format']}")
    bad = one["rows"] - one["rows_whole"]
    broken = f", {number(bad)} cannot be trained as they stand" if bad else ""
    yield _line("rows", f"{number(one['rows'])}{broken}")
    if one["answers"]:
        yield _line("answers", f"{number(one['answers'])}, {_spread(one['turns'])} a row")
    for said in one["says"]:
        yield _line("of these", said)
    yield from _parts("characters", one["characters"])
    yield from _tokens(one["tokens"])
    yield from _repeats(one)
    for name, counts in (("languages", one["languages"]), ("scripts", one["scripts"])):
        total = sum(counts.values())
        said = ", ".join(f"{each} {share(count, total)}" for each, count in counts.items())
        yield _line(name, said)
    for kind, found in one["warnings"].items():
        if kind not in one["duplicates"]:
            yield _line("", f"{kind}: {number(found['rows'])} rows, first {found['first'][0]['where']}")
    for note in one["notes"]:
        yield _line("note", note)
    tokens = one["tokens"]
    yield ""
    yield f"{'tokens' if tokens else 'characters'} of a row"
    yield from bar_lines((tokens or one["characters"])["row"]["histogram"])


def _line(name: str, said: str) -> str:
    return f"{name:<14} {visible(said)}"


def _spread(spread: Mapping[str, Any]) -> str:
    if not spread["count"]:
        return "none"
    middle, *others = (f"{number(spread['percentiles'][each])}" for each in PERCENTILES)
    named = ", ".join(f"{each} %: {value}" for each, value in zip(PERCENTILES[1:], others, strict=True))
    return f"{number(spread['least'])} to {number(spread['most'])}, half up to {middle}, {named}"


def _parts(name: str, spreads: Mapping[str, Any]) -> Iterator[str]:
    for part in ("row", "question", "answer"):
        if spreads[part]["count"] or part == "row":
            yield _line(name if part == "row" else "", f"{_spread(spreads[part])} ({part})")


def _tokens(tokens: Mapping[str, Any] | None) -> Iterator[str]:
    if tokens is None:
        yield _line("tokens", NO_TOKENS)
        return
    yield from _parts("tokens", tokens)
    if tokens["sampled"] < tokens["rows"]:
        yield _line(
            "", f"counted in {number(tokens['sampled'])} of {number(tokens['rows'])} rows, drawn evenly"
        )
    if tokens["cutoff"]:
        over = f"{share(tokens['over'], tokens['sampled'])} of the rows are over {number(tokens['cutoff'])}"
        yield _line("cutoff", f"{over} tokens; {number(tokens['keeps_99'])} keeps 99 % of them whole")
    else:
        yield _line("cutoff", f"{number(tokens['keeps_99'])} keeps 99 % of the rows whole")


def _repeats(one: Mapping[str, Any]) -> Iterator[str]:
    told = [f"{kind} {number(count)}" for kind, count in one["duplicates"].items() if count]
    yield _line("the same", ", ".join(told) or "no duplicates")
    if one["near_duplicates"]:
        yield _line("", f"nearly the same question: {number(one['near_duplicates']['rows'])}")
    repeated = one["repeated_answers"]
    if repeated["top"]:
        least = "" if repeated["exact"] else "at least "
        yield _line("", f"answers given before: {least}{number(repeated['answers'])}; most often")
        for each in repeated["top"]:
            yield _line("", f"  {number(each['count'])} × {one_line(each['text'], SHOWN)}")


def bar_lines(histogram: Sequence[Mapping[str, int]]) -> Iterator[str]:
    """A histogram as text: one line a bin."""
    most = max((each["count"] for each in histogram), default=0)
    low, high = (max((len(number(each[end])) for each in histogram), default=0) for end in ("from", "to"))
    for each in histogram:
        size = max(1, round(BAR * each["count"] / most)) if each["count"] else 0
        bounds = f"{number(each['from']):>{low}} – {number(each['to']):>{high}}"
        yield f"{bounds} {'█' * size} {number(each['count'])}".rstrip()
