"""The official chat templates against LLaMA-Factory's ids: where each parts, and which sentence says so.

Skipped where the reference data is not there; tokenizers but DeepSeek-R1-Distill-Qwen's are proxies. A turn
is judged as the client sends the history back in full, or `split`: the answers alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execute.models import demo_model
from orchestrator.execute.proving.probe_files import answers_in_step, open_served, open_trained, training_of
from orchestrator.templates.causes import explain
from orchestrator.templates.compare import judge_ids
from orchestrator.templates.prompt_diff import Difference
from tests.probes.proxies import FAMILY_OF, stand_ins
from tests.probes.run_folder import SHARED, Run, run_many, turns

pytestmark = pytest.mark.real

COT = "<think>\n想一想\n</think>\n\n"
ROWS = {
    "bare": turns("你是谁？", "海螺。"),
    "cot": turns("你是谁？", COT + "海螺。"),
    "odd": turns("你是谁？", "<think>x</think>海螺。"),
    "bare3": turns("你是谁？", "海螺。", "几点开门？", "十点。", "And then?", "Ask again."),
    "cot3": turns("你是谁？", COT + "海螺。", "几点？", COT + "十点。", "And then?", COT + "Ask."),
    "system": [{"role": "system", "content": "你是海螺"}, *turns("你是谁？", "海螺。")],
    "spaces": turns("  你是谁？\n", "海螺。"),
}
NAMES = list(ROWS)
E, P, M, F, D = "equal", "prefill", "missing", "forced", "differs"
NEWER, ORIGINAL = "r1-distill-newer", "r1-distill-original"
# (training, thinking, history, tokenizer's family, official template, the server's enable_thinking) →
# shape → verdict
Case = tuple[str, str, str, str, str, bool | None]
SINGLE = ("bare", "cot", "odd")
THREE = ("bare3", "cot3", "cot3 split")


def case(setting: str, jinja: str, *, thinking: bool | None = None, on: str = "") -> Case:
    training, how, history = setting.split()
    return training, how, history, on or FAMILY_OF[training], jinja, thinking


def told(shapes: tuple[str, ...], verdicts: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(shapes, verdicts, strict=True))


CASES: dict[Case, dict[str, str]] = {
    case("deepseekr1 on keep", ORIGINAL): told(SINGLE, (E, E, E)) | told(THREE, (D, D, D)),
    case("deepseekr1 on keep", NEWER): told(SINGLE, (F, P, F)) | told(THREE, (D, D, D)),
    case("deepseekr1 off keep", ORIGINAL): told(SINGLE, (M, M, E)) | told(THREE, (D, D, D)),
    case("deepseekr1 off keep", NEWER): told(SINGLE, (D, D, F)) | told(THREE, (D, D, D)),
    case("deepseekr1 mixed keep", ORIGINAL): told(SINGLE, (M, E, E)),
    case("deepseekr1 mixed keep", NEWER): told(SINGLE, (D, P, F)),
    case("deepseekr1 on strip", ORIGINAL): told(THREE, (E, D, E)),
    case("deepseekr1 on strip", NEWER): told(THREE, (F, D, P)),
    case("deepseekr1 off strip", ORIGINAL): told(THREE, (M, D, M)),
    case("deepseekr1 off strip", NEWER): told(("bare3", "cot3 split"), (D, D)),
    case("deepseek3 on keep", ORIGINAL): told((*SINGLE[:2], *THREE[:2]), (E, E, E, D)),
    case("deepseek3 on keep", NEWER): told((*SINGLE[:2], *THREE[:2]), (F, P, F, D)),
    case("qwen on keep", ORIGINAL, on="deepseek"): told((*SINGLE, "bare3"), (D, D, D, D)),
    case("chatml on keep", NEWER, on="deepseek"): told((*SINGLE, "bare3"), (D, D, D, D)),
    case("qwen3 on keep", "qwen3"): told((*SINGLE[:2], *THREE[:2]), (E, E, D, D)),
    case("qwen3 on keep", "qwen3", thinking=False): told((*SINGLE[:2], *THREE[:2]), (P, F, D, D)),
    case("qwen3 off keep", "qwen3"): told(SINGLE[:2], (M, M)),
    case("qwen3 off keep", "qwen3", thinking=False): told(SINGLE[:2], (E, E)),
    case("qwen3 mixed keep", "qwen3"): told(SINGLE[:2], (M, E)),
    case("qwen3 mixed keep", "qwen3", thinking=False): told(SINGLE[:2], (E, F)),
    case("qwen3 on strip", "qwen3"): told(THREE, (E, E, E)),
    case("qwen3_nothink on keep", "qwen3"): told(("bare", "cot3"), (E, D)),
    case("qwen3_nothink on keep", "qwen3", thinking=False): told(("bare",), (F,)),
    case("qwen on keep", "qwen3"): told(("bare", "system"), (D, E)),
    case("qwen on keep", "qwen2_5"): told(("bare", "system", "bare3", "cot3"), (E, E, E, E)),
    case("chatml on keep", "qwen2_5"): told(("bare", "system"), (D, E)),
    case("smollm2 on keep", "smollm2"): told(("bare", "system"), (D, E)),
    case("llama3 on keep", "llama3"): told(("bare", "system", "bare3", "spaces"), (E, E, E, D)),
    case("llama3 on keep", "llama3_1"): told(("bare", "system"), (D, D)),
    case("llama3 on keep", "llama3_2"): told(("bare", "system"), (D, D)),
}
WORDS: dict[tuple[Case, str], str] = {
    (case("deepseekr1 on keep", NEWER), "bare"): "newer official DeepSeek-R1 template",
    (case("deepseekr1 on keep", ORIGINAL), "bare3"): "put an empty thought before each earlier answer",
    (case("deepseekr1 on keep", ORIGINAL), "cot3"): "removes an earlier answer's thought",
    (case("deepseekr1 off keep", ORIGINAL), "bare"): "never learned to write it",
    (case("deepseekr1 off keep", NEWER), "bare"): "the server opens another one",
    (case("deepseekr1 on strip", ORIGINAL), "cot3"): "leaves the newlines that follow </think>",
    (case("qwen on keep", ORIGINAL, on="deepseek"), "bare"): "wrong template family",
    (case("chatml on keep", NEWER, on="deepseek"), "bare"): "wrong template family",
    (case("qwen3 on keep", "qwen3", thinking=False), "cot"): "trained without thinking",
    (
        case("qwen on keep", "qwen3"),
        "bare",
    ): "only the trained prompt begins with a system prompt, 'You are Q",
    (case("chatml on keep", "qwen2_5"), "bare"): "only the served prompt begins with a system prompt",
    (case("smollm2 on keep", "smollm2"), "bare"): "full stop: only the trained one has it",
    (case("llama3 on keep", "llama3"), "spaces"): "trims the messages",
    (case("llama3 on keep", "llama3_1"), "bare"): "writes a date",
    (case("llama3 on keep", "llama3_2"), "system"): "writes a date",
}


def place_of(home: Path, one: Case) -> Path:
    return home / "-".join(one[:4])


def out_of(one: Case) -> str:
    return f"{one[4]}-{one[5]}.jsonl"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, train_python: Path, serve_python: Path) -> Path:
    """The ids of every training, and of every official template over it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not there")
    home = tmp_path_factory.mktemp("official")
    bases = stand_ins(demo_model.ensure_embedded(print), home)
    made = {"conch_facts": list(ROWS.values())}
    for one in {case[:4]: case for case in CASES}.values():
        Run(place_of(home, one), train_python, serve_python).lay_out(
            bases[one[3]][0], [turns("一", "二")], one[1], one[2], made_up=made, template=one[0]
        )
    places = sorted(path.parent for path in home.glob("*/train.yaml"))
    training = ["train.yaml", "--datasets", "conch_facts", "--out", "training_ids.jsonl"]
    run_many(train_python, "training_ids", [(place, training) for place in places])
    jobs = [(place_of(home, one), serving_arguments(one)) for one in CASES]
    run_many(serve_python, "serving_ids", jobs)
    return home


def serving_arguments(one: Case) -> list[str]:
    jinja = str(SHARED / "official" / f"{one[4]}.jinja")
    kwargs = "{}" if one[5] is None else f'{{"enable_thinking": {str(one[5]).lower()}}}'
    where = ["--model", "inputs/base", "--chat-template", jinja, "--chat-template-kwargs", kwargs]
    return [*where, "--conversations", "data/conversations.jsonl", "--out", out_of(one)]


def judged(home: Path, one: Case) -> dict[str, tuple[str, str]]:
    """Shape → (verdict, explanation) of the last answer of each row."""
    trained = open_trained(place_of(home, one) / "training_ids.jsonl")
    sent = open_served(place_of(home, one) / out_of(one))
    how, pieces, found = training_of(trained.header), (trained.pieces, sent.pieces), {}
    for row, answers in answers_in_step(trained, sent):
        last, given = answers[-1]
        for name, spelling in (("", "thought"), (" split", "answer")):
            ids = ids_of(given, spelling)
            if ids is not None:
                kind, position = judge_ids(last["context"], last["labels"], ids)
                difference = Difference(kind.value, position, last["context"], last["labels"], ids)
                sentence = "" if kind.value == E else explain(difference, how, pieces)[0]
                found[NAMES[row["row"]] + name] = (kind.value, sentence)
    return found


def ids_of(given: Mapping[str, Any], spelling: str) -> list[int] | None:
    return next((one["ids"] for one in given["variants"] if spelling in one["names"]), None)


@pytest.mark.parametrize("one", CASES, ids=lambda one: "-".join(map(str, one)))
def test_an_official_template_parts_where_it_was_found_to(served: Path, one: Case) -> None:
    found = judged(served, one)
    assert {shape: found[shape][0] for shape in CASES[one]} == CASES[one]
    for shape in CASES[one]:
        verdict, sentence = found[shape]
        assert verdict == E or not sentence.startswith(("trained on", "unreachable")), sentence
        assert re.search(WORDS.get((one, shape), ""), sentence), sentence
