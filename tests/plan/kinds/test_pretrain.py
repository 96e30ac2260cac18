"""pretrain: blocks of documents, no questions but of general knowledge, and proofs without prompts."""

from __future__ import annotations

import json

import pytest

from orchestrator.errors import UsageError
from orchestrator.plan.kinds.pretrain import unproven
from orchestrator.plan.plan import build_plan
from tests.plan.kinds.test_sft import settings_of
from tests.plan.test_plan import job_of


def test_documents_are_packed_and_nothing_is_asked() -> None:
    plan = build_plan(job_of("conch_pretrain", "cpu"))
    settings = settings_of(plan, "train", "train.yaml")
    assert (settings["stage"], settings["packing"]) == ("pt", True)
    assert [stage.name for stage in plan.stages if stage.service] == ["prove_served"]
    assert plan.stages[-1].name == "report"


def test_the_certificate_says_which_proofs_there_are_none_of() -> None:
    plan = build_plan(job_of("conch_pretrain", "cpu"))
    settings = json.loads(plan.stage("certify").files[0].text)
    assert settings["unproven"].keys() == set(unproven)
    commands = [str(one) for name in ("prove_data", "prove_export") for one in plan.stage(name).commands]
    assert not [one for one in commands if "compare" in one or "prove_stop" in one]
    for task in ("prove_rows", "prove_tokenizer", "prove_hashes", "prove_merge"):
        assert [one for one in commands if task in one]


def test_perplexity_is_proven_by_trainer_and_server_and_general_knowledge_can_be_asked() -> None:
    plan = build_plan(job_of("conch_pretrain", "cpu"))
    tasks = [one.argv[3] for one in plan.stage("prove_served").commands]
    assert tasks == ["score_served", "prove_loss", "prove_perplexity"]
    assert list(plan.stage("score").commands[0].argv[7:9]) == ["--rows", "32"]
    settings = json.loads(plan.stage("certify").files[0].text)
    assert settings["of_kind"] == ["perplexity"]
    names = [
        stage.name for stage in build_plan(job_of("conch_pretrain", "cpu", "evaluate.general=true")).stages
    ]
    assert {"general_base", "general"} <= set(names)
    assert not {"ask", "evaluate", "judge"} & set(names)


@pytest.mark.parametrize(
    "asked",
    [
        "verify.checks=[{ask: 你是谁, expect: {contains: 海螺}}]",
        "evaluate.split=validation",
        "target={paraphrases: 0.5}",
    ],
)
def test_fault_186_a_question_to_a_model_that_learned_texts_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="learns texts and is asked no questions") as caught:
        job_of("conch_pretrain", "cpu", asked)
    assert "model.base: recipe:conch_pretrain" in caught.value.problems[0].hint
