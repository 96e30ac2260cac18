"""sampling: the running server's default sampling is that of the export, so clients get what was verified.

Covers temperature, top_p, top_k, repetition_penalty and, if the export limits it, max_tokens, as the server
resolved them from its model and its options. Not covered: values that a client names, which are used
instead, and what a client library adds by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from orchestrator.recipe.sampling import ServedSampling
from orchestrator.results import Proof, Sentence, joined

NAME = "sampling"
# Engines compute with single precision.
_NEARLY = 1e-6


def prove(exported: ServedSampling, served: Mapping[str, float]) -> Proof:
    """Compare the server's values for a request that names none with those of the export."""
    wanted = {key: value for key, value in asdict(exported).items() if value is not None}
    faults = [
        Sentence(
            f"{key} is {_shown(served.get(key))}, the export has {value:g}",
            f"{key} 是 {_shown(served.get(key))}，导出模型为 {value:g}",
        )
        for key, value in wanted.items()
        if not _equal(served.get(key), value) and not _fits(key, served.get(key), value)
    ]
    return Proof(
        name=NAME,
        holds=not faults,
        covered=Sentence(
            f"{len(wanted)} values of a request that names none: {exported.words}",
            f"不带采样参数的请求的 {len(wanted)} 个值：{exported.words.zh}",
        ),
        numbers={"values": len(wanted), "wrong": len(faults), **wanted},
        detail=joined(faults),
        hint=Sentence(
            "serve with Conch, and leave sampling to serve.sampling",
            "由 Conch 启动服务，采样只用 serve.sampling 设置",
        )
        if faults
        else "",
        not_covered=Sentence(
            "values that a client names, or that its library adds", "客户端自己指定或其库自动添加的参数"
        ),
        findings=tuple({"what": fault, "where": "export/generation_config.json"} for fault in faults),
    )


_HINT = Sentence(
    "let Conch start the server, and set sampling under serve.sampling only",
    "请由 Conch 启动服务，并且只在 serve.sampling 中设置采样参数",
)


def _equal(one: float | None, other: float) -> bool:
    return one is not None and abs(one - other) < _NEARLY


def _fits(key: str, served: float | None, limit: float) -> bool:
    """A conversation may leave less than the limit of an answer."""
    return key == "max_tokens" and served is not None and 1 <= served <= limit


def _shown(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"
