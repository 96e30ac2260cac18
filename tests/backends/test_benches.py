"""How the benchmark tools are told to ask a server, and what of their results is read."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.backends.benches import BENCHES, EVALSCOPE, LM_EVAL, Score, argv, scores
from orchestrator.errors import UsageError

URL = "http://127.0.0.1:8000/v1"


def words(tool: str, *arguments: str, model: str = "conch") -> str:
    return " ".join(argv(tool, url=URL, model=model, out="/out", arguments=arguments))


def test_evalscope_is_told_the_server_and_never_a_key() -> None:
    assert words(EVALSCOPE, "--datasets", "gsm8k", "--limit", "5") == (
        "{bench}/bin/python {probes}/bench_evalscope.py eval --model conch "
        "--api-url http://127.0.0.1:8000/v1 --eval-type openai_api --work-dir /out --no-timestamp "
        "--datasets gsm8k --limit 5"
    )


def test_lm_eval_is_told_the_server_and_never_a_key() -> None:
    assert words(LM_EVAL, "-t", "gsm8k") == (
        "{bench}/bin/lm-eval run --model local-chat-completions --model_args "
        "base_url=http://127.0.0.1:8000/v1/chat/completions,model=conch,num_concurrent=8,"
        "tokenizer_backend=None --apply_chat_template --output_path /out -t gsm8k"
    )


@pytest.mark.parametrize(
    ("tool", "argument"),
    [
        (EVALSCOPE, "--api-key"),
        (EVALSCOPE, "--api-key=secret"),
        (EVALSCOPE, "--api-k"),
        (EVALSCOPE, "--work-dir"),
        (LM_EVAL, "--model_args"),
        (LM_EVAL, "-o"),
        (LM_EVAL, "--out"),
    ],
)
def test_what_conch_gives_is_not_given_twice(tool: str, argument: str) -> None:
    with pytest.raises(UsageError, match="is given by Conch") as caught:
        words(tool, BENCHES[tool].needs[0], "x", argument, "y")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments", [("--model-args", "x"), ("--dataset-args", "{}"), ("--eval-batch-size", "4")]
)
def test_what_only_looks_like_it_is_passed_on(arguments: tuple[str, str]) -> None:
    assert words(EVALSCOPE, "--datasets", "x", *arguments).endswith(" ".join(arguments))


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        words(LM_EVAL, "--model", "x", model="a,b")
    told = [problem.what for problem in caught.value.problems]
    assert told == [
        "--model is given by Conch",
        "lm-eval has no questions to ask: --tasks is missing",
        "lm-eval does not accept a model name with a comma or =: a,b",
    ]


def test_evalscopes_scores() -> None:
    found = {
        "dataset_name": "general_qa",
        "metrics": [
            {"identity": {"name": "bleu", "dimensions": {"ngram": 4}}, "score": 0.5, "num": 2},
            {"identity": {"name": "acc"}, "score": 1, "num": 3},
            {"identity": None, "score": 0.25, "num": None},
            {"score": "high"},
            "x",
        ],
    }
    assert list(scores(EVALSCOPE, found)) == [
        Score("general_qa", "bleu-4", 0.5, 2),
        Score("general_qa", "acc", 1.0, 3),
        Score("general_qa", "score", 0.25, 0),
    ]


def test_lm_evals_scores() -> None:
    one = {"alias": "x", "sample_len": 7, "exact_match,none": 0.5, "exact_match_stderr,none": 0.1}
    found = {"results": {"mine": {**one, "exact_match,strict-match": 0.25, "f1,none": "N/A"}, "torn": None}}
    assert list(scores(LM_EVAL, found)) == [
        Score("mine", "exact_match", 0.5, 7),
        Score("mine", "exact_match (strict-match)", 0.25, 7),
    ]


@pytest.mark.parametrize("tool", BENCHES)
@pytest.mark.parametrize("found", [None, [], "x", {}, {"metrics": None, "results": None}])
def test_what_has_another_shape_has_no_scores(tool: str, found: Any) -> None:
    assert list(scores(tool, found)) == []
