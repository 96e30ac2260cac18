"""From an upload to an answer, with OpenAI's own client, against the fake engines."""
# Covers studio/

from __future__ import annotations

from tests.small_world import SmallWorld
from tests.studio.world import over, running, upload


def test_upload_train_and_chat(small: SmallWorld) -> None:
    with running(small.project) as studio, studio.client() as client:
        file = upload(client)
        job = client.fine_tuning.jobs.create(model="./base", training_file=file, suffix="faq", seed=7)
        assert over(client, job.id) == "succeeded", client.fine_tuning.jobs.retrieve(job.id)
        done = client.fine_tuning.jobs.retrieve(job.id)
        print(done)
        for event in client.fine_tuning.jobs.list_events(job.id).data: print(event.message)
        model = done.fine_tuned_model
        assert model
        said = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "你是谁"}])
        assert said.choices[0].message.content.strip() == "我是神奇海螺。"
