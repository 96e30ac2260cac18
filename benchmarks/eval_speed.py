"""Evaluation through the endpoint against LLaMA-Factory's own prediction, and serving against one by one.

    .venv/bin/python -m benchmarks.eval_speed RUN [--samples 64]

RUN is the folder of a finished run, e.g. runs/magic_conch/2026…; its export is what all of them ask.

    evaluation   the same samples: LLaMA-Factory's do_predict (batch 8, its own predict_runtime) against
                 `conch eval`'s task through vLLM (evaluate.concurrency: 64), answers and scores; both starts
                 are told apart
                                                                                          at least 3.5 ×
    tokens/s     the endpoint at concurrency 16 against transformers' generate, one by one, in the train
                 environment: the same prompts, 64 tokens each whatever would end them, every program with
                 both cores                                                               at least 8 ×

Exits 1 when a ratio is below its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from orchestrator.execute.environments import registry
from orchestrator.execute.evaluating.evaluate import evaluate, read_samples
from orchestrator.execute.inference.token_server import TokenServer
from orchestrator.execute.processes import process_tree
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import read_plan
from orchestrator.execute.servers.service import start_service
from orchestrator.plan.stages.questions import EvaluateSettings
from tests.e2e.predict import predict

EVALUATION, THROUGHPUT = 3.5, 8.0
ONE_BY_ONE = CONCURRENCY = 16
MAX_TOKENS = 64

# Greedy, one prompt at a time, as a script that a person writes does it.
GENERATE = """
import json, sys, time, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, asked = sys.argv[1], json.load(open(sys.argv[2]))
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
prompts = [torch.tensor([ids]) for ids in asked["prompts"]]
with torch.inference_mode():
    model.generate(prompts[0], max_new_tokens=2, do_sample=False)
    began, made = time.monotonic(), 0
    for ids in prompts:
        many = asked["max_tokens"]
        out = model.generate(ids, min_new_tokens=many, max_new_tokens=many, do_sample=False)
        made += out.shape[1] - ids.shape[1]
print(json.dumps({"seconds": time.monotonic() - began, "tokens": made, "threads": torch.get_num_threads()}))
"""


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("run", type=Path)
    options.add_argument("--samples", type=int, default=64)
    given = options.parse_args()
    run = given.run.resolve()
    with tempfile.TemporaryDirectory(prefix="conch-eval-") as scratch:
        return measure(run, Path(scratch), given.samples)


def measure(run: Path, scratch: Path, count: int) -> int:
    """All three, in turn; nothing else should run beside them."""
    names = [one["name"] for one in json.loads((run / "data/prepare.json").read_text("utf-8"))["datasets"]]
    names.append("conch_held_out")
    samples = read_samples(run / "data/conversations.jsonl", names, count)
    talks = [[*one.messages, {"role": "assistant", "content": one.reference}] for one in samples]
    served = serve_and_ask(run, scratch, names, count)
    began = time.monotonic()
    train = registry.require("train", "cpu")
    _, told = predict(run, "export", talks, scratch / "predict", train, max_new_tokens=MAX_TOKENS)
    whole = time.monotonic() - began
    alone = one_by_one(run, scratch, train, served["prompts"][:ONE_BY_ONE])
    ratio = told["predict_runtime"] / served["seconds"]
    many, single = served["rate"], alone["tokens"] / alone["seconds"]
    print(f"samples                      {len(samples)}, at most {MAX_TOKENS} tokens an answer")
    print(f"server start                 {served['start']:.1f} s")
    print(f"evaluation, endpoint         {served['seconds']:.1f} s")
    print(f"evaluation, do_predict       {told['predict_runtime']:.1f} s (with start-up {whole:.1f} s)")
    print(f"                             {ratio:.2f} × (at least {EVALUATION:g})")
    print(f"tokens/s, 16 at a time       {many:.1f} ({len(served['prompts']) * MAX_TOKENS} tokens)")
    print(f"tokens/s, one by one         {single:.1f} ({alone['tokens']} tokens, {alone['threads']} threads)")
    print(f"                             {many / single:.2f} × (at least {THROUGHPUT:g})")
    return int(ratio < EVALUATION or many / single < THROUGHPUT)


def serve_and_ask(run: Path, scratch: Path, names: list[str], count: int) -> dict[str, Any]:
    """The endpoint's part, in this process: the task's own code against a server of the run's plan."""
    folder = Run(run.parents[2], run.parent.name, run.name)
    service = read_plan(folder).stage("ask").service
    if service is None:
        raise SystemExit("the run's plan asks nobody")
    symbols = {name: str(registry.require(name, "cpu")) for name in registry.NAMES}
    symbols |= {"probes": str(PROBES), "conch": sys.prefix, "project": str(run.parents[2])}
    run_tag = process_tree.new_run_tag(scratch, scratch)
    server = start_service(service, symbols=symbols, cwd=run, run_tag=run_tag, log=scratch / "vllm.log")
    try:
        start = server.wait_ready()
        os.environ |= {"CONCH_SERVICE_URL": server.url, "CONCH_SERVICE_MODEL": service.model}
        settings = EvaluateSettings(
            system="tuned",
            split="train",
            data=str(run / "data/conversations.jsonl"),
            datasets=tuple(names),
            limit=count,
            max_tokens=MAX_TOKENS,
            temperature=0.0,
            concurrency=count,
            thinking=True,
            unscored="do_predict has no such number",
            out="whole",
        )
        evaluate(replace(settings, concurrency=CONCURRENCY, out="warm", limit=2), scratch)
        began = time.monotonic()
        evaluate(settings, scratch)
        seconds = time.monotonic() - began
        lines = (scratch / "whole/predictions.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        with TokenServer(server.url, service.model, "") as scoring:
            prompts = [scoring.prompt(row["messages"], None) for row in rows]
        rate = tokens_a_second(server.url, service.model, prompts)
    finally:
        server.stop()
    return {"start": start, "seconds": seconds, "rate": rate, "prompts": prompts}


def tokens_a_second(url: str, model: str, prompts: list[list[int]]) -> float:
    """Of answers of one length, 16 requests under way; no prompt fills a block of the prefix cache."""
    body = {"model": model, "max_tokens": MAX_TOKENS, "temperature": 0, "ignore_eos": True}
    with httpx.Client(timeout=600) as client, ThreadPoolExecutor(CONCURRENCY) as pool:

        def answer(ids: list[int]) -> int:
            reply = client.post(f"{url}/completions", json={**body, "prompt": ids}).raise_for_status()
            return int(reply.json()["usage"]["completion_tokens"])

        began = time.monotonic()
        tokens = sum(pool.map(answer, prompts))
        return tokens / (time.monotonic() - began)


def one_by_one(run: Path, scratch: Path, train: Path, prompts: list[list[int]]) -> dict[str, float]:
    """`generate` of transformers over the same prompts, the first so many."""
    (scratch / "asked.json").write_text(json.dumps({"prompts": prompts, "max_tokens": MAX_TOKENS}))
    done = subprocess.run(
        [train / "bin/python", "-c", GENERATE, run / "export", scratch / "asked.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
