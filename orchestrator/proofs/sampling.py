"""sampling: a client that names no value gets the sampling that the export names, and its own value wins.

Covers temperature, top_p, top_k, repetition_penalty and, if the export limits it, max_tokens, as the running
server resolves them for a request that names none, and a request's own temperature. Not covered: what a
client library adds by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from orchestrator.recipe.sampling import ServedSampling
from orchestrator.results import Proof, Sentence, joined

NAME = "sampling"
# What the request of its own names: no sampling of an export is likely to be the same.
OWN = 0.37
# Engines compute with single precision.
_NEARLY = 1e-6


def prove(exported: ServedSampling, served: Mapping[str, float | None], own: float | None) -> Proof:
    """Compare the server's values for a request without any with those of the export.

    Args:
        exported: of the export's generation_config.json.
        served: of a request that names no value.
        own: the temperature of a request that asks for OWN.
    """
    wanted = {key: value for key, value in asdict(exported).items() if value is not None}
    faults = [
        Sentence(
            f"{key} is {_shown(served.get(key))}, the export has {value:g}",
            f"{key} 是 {_shown(served.get(key))}，导出模型为 {value:g}",
        )
        for key, value in wanted.items()
        if not _equal(served.get(key), value) and not _fits(key, served.get(key), value)
    ]
    if not _equal(own, OWN):
        faults.append(
            Sentence(
                f"a request's own temperature of {OWN} becomes {_shown(own)}",
                f"请求自带的 temperature {OWN} 变成了 {_shown(own)}",
            )
        )
    return Proof(
        name=NAME,
        holds=not faults,
        covered=Sentence(
            f"{len(wanted)} values of a request that names none ({exported.words}), and a request's own"
            " temperature",
            f"不带采样参数的请求的 {len(wanted)} 个值（{exported.words.zh}），以及请求自带的 temperature",
        ),
        numbers={"values": len(wanted), "wrong": len(faults), **wanted},
        detail=joined(faults),
        hint=Sentence(
            "serve with Conch, and leave sampling to serve.sampling",
            "由 Conch 启动服务，采样只用 serve.sampling 设置",
        )
        if faults
        else "",
        not_covered=Sentence("values that a client library adds by itself", "客户端库自行添加的参数"),
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
