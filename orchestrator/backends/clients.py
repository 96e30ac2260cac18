"""How other programs call the served model: texts to copy for curl, Python's openai and Spring AI.

Spring AI 2 expects a base URL with /v1 and flat keys; Spring AI 1 expects it without /v1 and nests the
options.
"""

from __future__ import annotations

import json

# Where `conch serve` listens by default.
DEFAULT_URL = "http://127.0.0.1:8000/v1"


def curl(base_url: str, model: str, question: str) -> str:
    """A shell command; its body is UTF-8."""
    return _curl(f"{base_url}/chat/completions", model, [{"role": "user", "content": question}])


def score_curl(base_url: str, model: str, question: str) -> str:
    """A shell command that has vLLM's reward model score an answer."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "…"}]
    return _curl(f"{base_url.removesuffix('/v1')}/classify", model, messages)


def _curl(url: str, model: str, messages: list[dict[str, str]]) -> str:
    body = json.dumps({"model": model, "messages": messages}, ensure_ascii=False)
    quoted = body.replace("'", "'\\''")
    return f"curl {url} -H 'Content-Type: application/json' \\\n  -d '{quoted}'"


def python(base_url: str, model: str, question: str) -> str:
    """Python's openai, the whole answer at once."""
    return f"""\
from openai import OpenAI

client = OpenAI(base_url={json.dumps(base_url)}, api_key="EMPTY")
answer = client.chat.completions.create(
    model={json.dumps(model)},
    messages=[{{"role": "user", "content": {json.dumps(question, ensure_ascii=False)}}}],
)
print(answer.choices[0].message.content.strip())"""


def python_streaming(base_url: str, model: str, question: str) -> str:
    """Python's openai, streaming; the last chunk may have no choices."""
    return f"""\
from openai import OpenAI

client = OpenAI(base_url={json.dumps(base_url)}, api_key="EMPTY")
stream = client.chat.completions.create(
    model={json.dumps(model)},
    messages=[{{"role": "user", "content": {json.dumps(question, ensure_ascii=False)}}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)"""


def spring_ai(base_url: str, model: str) -> str:
    """application.yaml for spring-ai-starter-model-openai, version 2 and, as a comment, version 1."""
    root = base_url.removesuffix("/v1")
    return f"""\
spring:
  ai:
    openai:
      api-key: EMPTY
      base-url: {base_url}    # Spring AI 1.x: {root}
      chat:
        model: {model}                          # Spring AI 1.x: chat.options.model"""


def all_snippets(base_url: str, model: str, question: str, *, scores: bool = False) -> dict[str, str]:
    """Title → text, simplest first; `scores`: of a reward model, which no chat client can ask."""
    if scores:
        return {"curl": score_curl(base_url, model, question)}
    return {
        "curl": curl(base_url, model, question),
        "Python": python(base_url, model, question),
        "Python, streaming": python_streaming(base_url, model, question),
        "Spring AI (application.yaml)": spring_ai(base_url, model),
    }
