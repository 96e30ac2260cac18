"""Do real clients get what `conch verify` saw? Asks a served recipe's questions with three client libraries.

    .venv/bin/conch serve magic_conch &
    .venv/bin/python -m benchmarks.clients magic_conch [--questions 30] [--base-url URL] [--folder DIR]

The libraries are openai and langchain-openai (PyPI) and the ai SDK with @ai-sdk/openai-compatible (npm), at
the versions below, installed into DIR, a temporary folder by default. Each asks the first turn of the
recipe's questions in turn, names no sampling value, and asks every second time with a stream. Prints, for
each, how many answers were empty or began with white space, and how many of those with a simple expectation
(contains, equals) meet it; exits 1 if one was empty, began with white space, or if a library failed. Without
npm the ai SDK is skipped, with the reason. The key is that of CONCH_API_KEY.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

from orchestrator.checks.base import Case
from orchestrator.execute.project import discovery
from orchestrator.execute.project.endpoint import address_of

PYTHON = ("openai==3.57.0", "langchain-openai==1.7.4")
NPM = ("ai@6.0.326", "@ai-sdk/openai-compatible@2.0.92")
SECONDS = 900

OPENAI = """
import json, os, sys
from openai import OpenAI
asked = json.load(sys.stdin)
client = OpenAI(base_url=asked["url"], api_key=os.environ.get("CONCH_API_KEY") or "none")
names = [model.id for model in client.models.list().data]
answers = []
for number, question in enumerate(asked["questions"]):
    messages = [{"role": "user", "content": question}]
    if number % 2:
        chunks = client.chat.completions.create(model=asked["model"], messages=messages, stream=True)
        answers.append("".join(one.choices[0].delta.content or "" for one in chunks if one.choices))
    else:
        whole = client.chat.completions.create(model=asked["model"], messages=messages)
        answers.append(whole.choices[0].message.content or "")
print(json.dumps({"names": names, "answers": answers}))
"""
LANGCHAIN = """
import json, os, sys
from langchain_openai import ChatOpenAI
asked = json.load(sys.stdin)
key = os.environ.get("CONCH_API_KEY") or "none"
chat = ChatOpenAI(base_url=asked["url"], api_key=key, model=asked["model"])
answers = []
for number, question in enumerate(asked["questions"]):
    if number % 2:
        answers.append("".join(chunk.content for chunk in chat.stream(question)))
    else:
        answers.append(chat.invoke(question).content)
print(json.dumps({"answers": answers}))
"""
AI_SDK = """
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { readFileSync } from "node:fs";
const asked = JSON.parse(readFileSync(0, "utf8"));
const apiKey = process.env.CONCH_API_KEY || "none";
const server = createOpenAICompatible({ name: "conch", baseURL: asked.url, apiKey });
const answers = [];
for (const [number, prompt] of asked.questions.entries()) {
  const request = { model: server(asked.model), prompt };
  answers.push(number % 2 ? await streamText(request).text : (await generateText(request)).text);
}
console.log(JSON.stringify({ answers }));
"""


def main() -> int:
    """Ask with every library; 1 if an answer or a library is not right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--base-url", default="")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    job = discovery.read_job(options.recipe, project=Path.cwd(), sets=(), hardware="auto")
    cases = [case for case in job.cases if isinstance(case, Case) and len(case.ask) == 1 and not case.system]
    chosen = list(islice(cycle(cases), options.questions))
    asked = {
        "url": options.base_url or address_of(job.recipe),
        "model": job.recipe.served_model,
        "questions": [case.ask[0] for case in chosen],
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return max(_report(name, chosen, found) for name, found in _ask(folder, json.dumps(asked)))


def _ask(folder: Path, asked: str) -> Iterator[tuple[str, Mapping[str, Sequence[str]] | str]]:
    """(library, its answers, or why there are none)."""
    python = folder / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", *PYTHON]
    failed = subprocess.run(install, check=False, capture_output=True, text=True)
    for name, script in (("openai", OPENAI), ("langchain-openai", LANGCHAIN)):
        yield name, failed.stderr[-400:] if failed.returncode else _run([python, "-c", script], asked, folder)
    npm = shutil.which("npm")
    if npm is None:
        sys.stdout.write("ai SDK            skipped: npm is not installed\n")
        return
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent")
    failed = subprocess.run(
        [npm, "install", *quiet, *NPM], cwd=folder, check=False, capture_output=True, text=True
    )
    (folder / "ask.mjs").write_text(AI_SDK, encoding="utf-8")
    yield "ai SDK", failed.stderr[-400:] if failed.returncode else _run(["node", "ask.mjs"], asked, folder)


def _run(argv: Sequence[str | Path], asked: str, folder: Path) -> Mapping[str, Sequence[str]] | str:
    """What a script printed, or the end of its error."""
    kept = ("PATH", "HOME", "CONCH_API_KEY")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    child = subprocess.run(
        argv, input=asked, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if child.returncode:
        return child.stderr[-400:]
    found: Mapping[str, Sequence[str]] = json.loads(child.stdout)
    return found


def _report(name: str, cases: Sequence[Case], found: Mapping[str, Sequence[str]] | str) -> int:
    """Print one library's line; 1 if something is wrong."""
    if isinstance(found, str):
        sys.stdout.write(f"{name:<17} failed: {found}\n")
        return 1
    answers = found["answers"]
    empty = sum(not answer.strip() for answer in answers)
    blank = sum(answer != answer.lstrip() for answer in answers)
    pairs = [(case, answer) for case, answer in zip(cases, answers, strict=True) if _expected(case)]
    right = sum(_expected(case) in answer for case, answer in pairs)
    names = f", models {', '.join(found['names'])}" if "names" in found else ""
    figures = f"{len(answers)} asked, {empty} empty, {blank} begin with white space"
    sys.stdout.write(f"{name:<17} {figures}, {right} of {len(pairs)} as expected{names}\n")
    return int(bool(empty or blank))


def _expected(case: Case) -> str:
    """The text that an answer must contain; "" if the expectation is another kind."""
    found = case.expect.get("contains") or case.expect.get("equals")
    return found if isinstance(found, str) else ""


if __name__ == "__main__":
    sys.exit(main())
