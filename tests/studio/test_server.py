"""From an upload to an answer, with OpenAI's own client, against the fake engines."""
# Covers studio/ studio/relay.py studio/catalog.py

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from starlette.testclient import TestClient

from orchestrator.execute.host.ports import free_port
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.studio.context import Settings
from orchestrator.studio.model_servers import ServingRules
from tests.small_world import ROOT, ROWS, SmallWorld
from tests.studio.world import TAUGHT, lines, over, refused, running, upload, wait_until

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "你是谁"}]


def test_the_script_of_the_readme_tunes_a_model_that_answers(
    small: SmallWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """And around it: events, results, streams, feedback, proofs, a job on the tuned model, deletion."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    script = next(one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "fine_tuning" in one)
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    (small.project / "rows.jsonl").write_bytes(lines(TAUGHT))
    changes = {"http://127.0.0.1:8080": "URL", "dataset_info/data/smoke.jsonl": "rows.jsonl"}
    changes |= {'"embedded"': '"./base"', "请问你是谁": "你是谁", "sleep(2)": "sleep(0.2)"}
    settings = Settings(keep_completions=True, rules=ServingRules(most=1))
    with running(small.project, settings) as studio:
        for old, new in changes.items():
            assert old in script
            script = script.replace(old, studio.url if new == "URL" else new)
        capsys.readouterr()
        names: dict[str, openai.OpenAI] = {}
        exec(script, names)  # noqa: S102  the README's own
        assert capsys.readouterr().out.strip() == "我是神奇海螺。"
        with names["client"] as client:
            around(client, small, studio.url)


def around(client: openai.OpenAI, small: SmallWorld, url: str) -> None:
    job = client.fine_tuning.jobs.list().data[0]
    model = job.fine_tuned_model
    assert model is not None
    assert re.fullmatch(r"ft:base:conch:[0-9a-f]{8}", model)
    events = [one.message for one in client.fine_tuning.jobs.list_events(job.id, limit=100)]
    assert events[0] == "The job has successfully completed"
    assert events[-1].startswith("Created fine-tuning job")
    assert any(one.startswith("Step 5/5: train loss=") for one in events)
    assert len(set(events)) > 20, "page by page"
    steps = client.files.content(job.result_files[0]).text.splitlines()
    assert (steps[0].split(",")[:2], len(steps)) == (["step", "train_loss"], 6)
    for checkpoint in client.fine_tuning.jobs.checkpoints.list(job.id):
        assert checkpoint.fine_tuning_job_id == job.id
    assert "succeeded" in job.status
    assert small.run("plan", job.id).code == 0, "the command line knows its recipe"
    assert job.id in small.run("status").out

    pieces = client.chat.completions.create(model=model, messages=QUESTION, stream=True)
    assert "".join(one.choices[0].delta.content or "" for one in pieces).strip() == "我是神奇海螺。"
    said = client.chat.completions.create(model=model, messages=QUESTION)
    with refused(404, "model_not_found"):
        client.chat.completions.create(model="ft:base:conch:00000000", messages=QUESTION)
    assert {one.id for one in client.models.list()} == {"./base", model}
    assert client.models.retrieve(model).id == model

    with httpx.Client(base_url=url, trust_env=False, timeout=60) as web:
        assert web.get("/generate", params={"prompt": "你是谁"}).json()["response"] == "我是神奇海螺。"
        asked = {"prompt": "今天吃什么", "history": [["你是谁", "我是神奇海螺。"]]}
        answer = web.post("/chat", json=asked).json()
        assert answer["history"][-1] == ["今天吃什么", answer["response"]]
        proofs = web.get(f"/v1/proofs/{model}").json()
        assert (proofs["holds"], proofs["recipe"]) == (True, job.id)
        given = {"completion_id": said.id, "better": "我就是海螺。"}
        assert web.post("/v1/feedback", json=given).json()["rating"] == "bad", "its texts were kept"
        pairs = web.get("/v1/feedback/export", params={"purpose": "dpo"}).content
    file = client.files.create(file=("pairs.jsonl", pairs), purpose="fine-tune").id
    again = client.fine_tuning.jobs.create(
        model=model, training_file=file, method={"type": "dpo"}, suffix="dpo"
    )
    recipe = (small.project / f"recipes/studio/{again.id}.yaml").read_text(encoding="utf-8")
    assert (f"recipe:{job.id}" in recipe, "kind: dpo" in recipe) == (True, True)
    client.fine_tuning.jobs.cancel(again.id)
    assert over(client, again.id) == "cancelled"
    assert client.models.delete(model).deleted
    with refused(404, "model_not_found"):
        client.models.retrieve(model)
    assert Run.last(small.project, job.id) is None


def test_a_job_outlives_a_killed_server_and_is_done_once(small: SmallWorld) -> None:
    port = free_port("127.0.0.1")
    pairs = [{"instruction": ask, "chosen": "好。", "rejected": "不。"} for ask in ROWS]  # no server is asked
    child = small.start("studio", "--port", str(port))
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
        wait_until(lambda: is_up(client))
        file, method = upload(client, pairs), {"type": "dpo"}
        first, second = (
            client.fine_tuning.jobs.create(model="./base", training_file=file, method=method)  # type: ignore[arg-type]
            for _ in range(2)
        )
        wait_until(lambda: Run.last(small.project, first.id))
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
    with running(small.project) as studio, studio.client() as client:
        assert over(client, first.id) == "succeeded", client.fine_tuning.jobs.retrieve(first.id).error
        client.fine_tuning.jobs.cancel(second.id)
        assert over(client, second.id) == "cancelled"
    assert len(Run.all(small.project, first.id)) == 1
    events = list(Run.all(small.project, first.id)[0].events())
    trained = [one for one in events if one.get("event") == "stage_begun" and one.get("stage") == "train"]
    assert len(trained) == 1


def is_up(client: openai.OpenAI) -> bool:
    try:
        return bool(client.models.list())
    except openai.APIConnectionError:
        return False


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"model": "gpt-4o"}, 404, "Models that can be tuned: ./base"),
        ({"model": "/etc"}, 404, "does not exist"),
        ({"model": "./base", "training_file": "file-nix"}, 404, "No such file"),
        ({"model": "./base", "method": {"type": "reinforcement"}}, 400, "must be one of supervised"),
        ({"model": "./base", "method": {"type": "dpo"}}, 400, "dpo"),
        ({"model": "./base", "suffix": "no spaces"}, 422, "suffix"),
        ({"model": "./base", "hyperparameters": {"n_epochs": 0}}, 422, "n_epochs"),
        ({"model": "./base", "n_epochs": 3}, 422, "n_epochs"),
    ],
)
def test_a_job_that_cannot_be_is_refused_at_once(
    api: TestClient, small: SmallWorld, body: dict[str, object], status: int, said: str
) -> None:
    sent = api.post("/v1/files", files={"file": ("a.jsonl", lines(TAUGHT))}, data={"purpose": "fine-tune"})
    answer = api.post("/v1/fine_tuning/jobs", json={"training_file": sent.json()["id"], **body})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert not list(Path(small.project / "recipes").glob("studio/*.yaml"))
    assert api.get("/v1/fine_tuning/jobs").json()["data"] == []


def test_what_the_command_line_made_is_the_admins(trained: SmallWorld) -> None:
    with running(trained.project) as studio, studio.client() as client:
        job = client.fine_tuning.jobs.list().data[0]
        assert (job.status, job.fine_tuned_model) == ("succeeded", "small")
        assert client.fine_tuning.jobs.list_events(job.id).data
        with refused(400, "not_a_studio_job"):
            client.fine_tuning.jobs.cancel(job.id)
        said = client.chat.completions.create(model="small", messages=QUESTION)
        assert "神奇海螺" in str(said.choices[0].message.content)
        with refused(400, "not_a_studio_model"):
            client.models.delete("small")
