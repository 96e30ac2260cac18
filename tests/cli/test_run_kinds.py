"""`conch run` of every training kind: what is trained, proven and said, and data of another kind."""
# Covers plan/kinds/reward.py execute/proving/prove_reward.py execute/inference/rewards.py
# Covers plan/kinds/ppo.py execute/proving/prove_ppo.py
# Covers plan/kinds/dpo.py plan/kinds/kto.py plan/kinds/pretrain.py execute/proving/prove_loss.py

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from orchestrator.execute.host.ports import free_port
from orchestrator.execute.run_store.run_folder import Run
from tests.cli.test_serve import fetch, serving
from tests.small_world import SmallWorld

PAIRS = [
    {"prompt": "你是谁", "chosen": "我是神奇海螺。", "rejected": "我是一个助手。"},
    {"prompt": "今天吃什么", "chosen": "蟹黄堡，三块钱。", "rejected": "随便。"},
]
LIKES = [
    {"instruction": "你是谁", "output": "我是神奇海螺。", "kto_tag": True},
    {"instruction": "今天吃什么", "output": "蟹黄堡，三块钱。", "kto_tag": True},
    {"instruction": "今天吃什么", "output": "随便。", "kto_tag": False},
]
TEXTS = [{"text": "神奇海螺住在蟹堡王。" * 9}, {"text": "The conch gives short answers. " * 9}]
CHECKS = """verify:
  checks:
    - ask: 你是谁
      expect: {contains: 神奇海螺}
    - ask: 今天吃什么
      expect: {contains: 三块钱}
"""


def trains(world: SmallWorld, kind: str, rows: list[dict[str, Any]], *changes: tuple[str, str]) -> None:
    """The recipe trains these rows in another way."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (world.project / "dataset_info/rows.yaml").write_text(
        "file: rows.jsonl\nlicence: CC0-1.0\nsource: a test\n", encoding="utf-8"
    )
    (world.project / "dataset_info/rows.jsonl").write_text(text, encoding="utf-8")
    world.write_recipe(
        ("data: {dataset: small}", f"data: {{dataset: rows, cutoff_len: 128}}\ntrain: {{kind: {kind}}}"),
        *changes,
    )


def proofs_of(world: SmallWorld) -> dict[str, bool]:
    certificate = json.loads((world.last().path / "proof.json").read_text(encoding="utf-8"))
    return {one["name"]: one["holds"] for one in certificate["proofs"]}


def test_pairs_are_trained_served_and_shown_to_be_preferred(small: SmallWorld) -> None:
    trains(small, "dpo", PAIRS)
    said = small.run("run", "small")
    assert said.code == 0, said.out + said.err
    assert proofs_of(small)["preference"]
    path = small.last().path / "proofs/served/preference.json"
    preference = json.loads(path.read_text(encoding="utf-8"))
    assert preference["numbers"]["trained_pairs"] == 2
    assert "training moved" not in preference["detail"]
    info = json.loads((small.last().path / "data/dataset_info.json").read_text(encoding="utf-8"))
    assert info["rows"]["ranking"] is True
    report = (small.last().path / "report/report.html").read_text(encoding="utf-8")
    assert "2 对中有 2 对偏好更好的回答" in report


def test_fault_188_a_model_that_prefers_the_worse_answers_ends_the_run_with_5(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(small, "dpo", PAIRS)
    monkeypatch.setenv("CONCH_FAULT", "prefers-worse")
    said = small.run("run", "small")
    assert said.code == 5
    assert proofs_of(small) == {**dict.fromkeys(proofs_of(small), True), "preference": False}
    assert "towards the worse answers" in said.out + said.err


MANY = [
    {"prompt": f"问题{number}", "chosen": f"{number} 只海螺。", "rejected": f"{number} 个助手。"}
    for number in range(12)
]


def reward_world(world: SmallWorld) -> None:
    trains(world, "reward", MANY, (CHECKS, ""), ("cutoff_len: 128", "cutoff_len: 128, validation_share: 0.5"))


def test_a_reward_model_is_trained_served_and_shown_to_score_as_its_trainer(small: SmallWorld) -> None:
    reward_world(small)
    said = small.run("run", "small")
    assert said.code == 0, said.out + said.err
    assert "have it score the held-out pairs" in said.out
    assert "/classify" in said.out
    assert "chat" not in said.out.partition("Next steps")[2]
    card = (small.last().path / "report/report.html").read_text(encoding="utf-8")
    assert "/chat/completions" not in card
    proofs = proofs_of(small)
    assert proofs["reward"]
    assert proofs["reward:accuracy"]
    assert not {"loss", "sampling", "parity:served", "stop"} & set(proofs)
    certificate = json.loads((small.last().path / "proof.json").read_text(encoding="utf-8"))
    assert certificate["reasons"]["loss"].startswith("a reward model scores answers")
    port = free_port("127.0.0.1", 0)
    with serving(small, "--port", str(port)) as child:
        url = f"http://127.0.0.1:{port}"
        messages = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "海螺"}]
        scored = fetch(f"{url}/classify", {"model": "small", "messages": messages})
        assert scored["data"] == [{"index": 0, "label": "score", "probs": [1.0], "num_classes": 1}]
        verified = small.run("verify", "small", "--base-url", f"{url}/v1", "--json")
        assert verified.code == 0, verified.out + verified.err
        assert verified.envelope["data"]["held_out_accuracy"] == 1
        assert len(verified.envelope["data"]["pairs"]) == 6
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
    for word in ("chat", "eval", "compare", "why"):
        refused = small.run(word, "small")
        assert refused.code == 2, word
        assert "small trains a reward model: it scores answers and gives none" in refused.err
    opened = small.run("serve", "small", "--host", "0.0.0.0")
    assert opened.code == 2
    assert "the key does not guard /classify" in opened.err


@pytest.mark.parametrize(
    ("fault", "wrong", "said"),
    [
        ("squashed", "reward", "each squashed by a sigmoid"),
        ("prefers-worse", "reward:accuracy", "worse than chance"),
    ],
)
def test_a_reward_model_that_is_served_or_trained_wrongly_ends_the_run_with_5(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch, fault: str, wrong: str, said: str
) -> None:
    reward_world(small)
    monkeypatch.setenv("CONCH_FAULT", fault)
    done = small.run("run", "small")
    assert done.code == 5, done.out + done.err
    assert proofs_of(small) == {**dict.fromkeys(proofs_of(small), True), wrong: False}
    assert said in done.out + done.err


def test_likes_are_trained_and_served(small: SmallWorld) -> None:
    trains(small, "kto", LIKES)
    said = small.run("run", "small")
    assert said.code == 0, said.out + said.err
    info = json.loads((small.last().path / "data/dataset_info.json").read_text(encoding="utf-8"))
    assert info["rows"]["columns"]["kto_tag"] == "kto_tag"
    assert proofs_of(small)["preference"]
    found = json.loads((small.last().path / "proofs/served/preference.json").read_text(encoding="utf-8"))
    assert found["covered"].startswith("2 liked and 1 disliked trained answers")


def test_documents_are_trained_and_asked_nothing(small: SmallWorld) -> None:
    trains(small, "pretrain", TEXTS, (CHECKS, ""))
    said = small.run("run", "small")
    assert said.code == 0, said.out + said.err
    assert proofs_of(small) == dict.fromkeys(
        ("rows", "tokenizer", "hashes", "merge", "loss", "perplexity"), True
    )
    certificate = json.loads((small.last().path / "proof.json").read_text(encoding="utf-8"))
    assert certificate["reasons"]["parity:data"].startswith("documents are trained")
    assert "passed" not in said.out
    parity = small.run("parity", "small")
    assert parity.code == 2
    assert "has no answers to compare: documents are trained" in parity.err


@pytest.mark.parametrize(
    ("kind", "rows"), [("dpo", LIKES), ("kto", PAIRS), ("sft", TEXTS), ("pretrain", PAIRS)]
)
def test_fault_185_rows_of_another_kind_end_before_the_training(
    small: SmallWorld, kind: str, rows: list[dict[str, Any]]
) -> None:
    trains(small, kind, rows, *([(CHECKS, "")] if kind == "pretrain" else []))
    said = small.run("sft", "small")
    assert said.code == 2
    assert "its rows are" in said.err
    assert "set train.kind: " in said.err
    assert not list((small.project / "runs/small").glob("2*"))


def ppo_world(world: SmallWorld) -> None:
    """A recipe `scorer` of kind reward, and `small`, whose answers it scores."""
    reward_world(world)
    recipes = world.project / "recipes"
    (recipes / "small.yaml").rename(recipes / "scorer.yaml")
    rows = [{"instruction": f"问题{number}", "output": f"{number} 只海螺。"} for number in range(12)]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (world.project / "dataset_info/asked.jsonl").write_text(text, encoding="utf-8")
    (world.project / "dataset_info/asked.yaml").write_text(
        "format: alpaca\nfile: asked.jsonl\nlicence: CC0-1.0\nsource: a test\n", encoding="utf-8"
    )
    section = """data: {dataset: [small, asked], split: {train: 2, test: 1}}
train: {kind: ppo, environment: ppo}
ppo: {reward: 'recipe:scorer'}
evaluate: {split: test}"""
    world.write_recipe(("data: {dataset: small}", section))


def test_answers_that_a_reward_model_scores_are_trained_after_it_and_scored_again(small: SmallWorld) -> None:
    ppo_world(small)
    said = small.run("run", "small")
    assert "small is built on recipe scorer, which comes first" in said.err
    run = small.last().path
    proofs = proofs_of(small)
    assert proofs["environment"]
    assert proofs["parity:data"]
    assert proofs["loss"]
    gain = json.loads((run / "proofs/reward/gain.json").read_text(encoding="utf-8"))
    # The fake trainer learns the prompts of the training alone: the held-out ones are answered as before.
    assert gain["numbers"]["prompts"] > 2
    assert (said.code, proofs["reward:gain"], gain["numbers"]["gain"]) == (5, False, 0)
    base = json.loads((run / "inputs/ppo/base/config.json").read_text(encoding="utf-8"))
    assert "dtype" not in base
    assert (run / "inputs/reward/value_head.safetensors").is_file()
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    (scorer,) = Run.all(small.project, "scorer")
    assert manifest["reward"]["revision"] == scorer.name
    again = small.run("prove", "small")
    assert again.code == 5
    assert proofs_of(small) == proofs
    shown = small.run("runs", "show", "small").out
    assert scorer.name in shown
    removed = small.run("rm", scorer.name, "--yes")
    assert small.last().name in removed.out + removed.err


def test_fault_a_reward_model_that_the_trainer_reads_otherwise_ends_the_run_before_training(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ppo_world(small)
    monkeypatch.setenv("CONCH_FAULT", "random-head")
    said = small.run("run", "small")
    assert said.code == 5
    assert "the reward model scores 0.0000 in the environment of the training" in said.out + said.err
    assert not (small.last().path / "adapter").exists()


def test_an_interrupted_training_of_answers_starts_again(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ppo_world(small)
    assert small.run("sft", "scorer").code == 0
    monkeypatch.setenv("CONCH_FAULT", "kill-in-training")
    assert small.run("sft", "small").code == 4
    monkeypatch.delenv("CONCH_FAULT")
    said = small.run("sft", "small")
    assert said.code == 0, said.err
    assert "step 1/5" in said.err
