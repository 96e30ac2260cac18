"""What both token probes share: round trip, pieces, versions, refusals. No engine is imported."""

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, NoReturn

ROUND_TRIP_TEXTS = (
    "a b\n你",
    "Hello world, 你好\nx",
    "  two  spaces\t\ttabs\n\n\nlines \n",
    "def f(x):\n    return x ** 2  # 平方\n",
    "🦀🐚 naïve — “quotes” ①②③ 蟹堡王",
)


def round_trip(tokenizer: Any) -> dict[str, Any]:
    """Texts that the tokenizer does not give back: it reads something else than what was written."""
    failures = []
    for text in ROUND_TRIP_TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        back = decode(tokenizer, ids)
        if back != text:
            failures.append({"text": text, "decoded": back, "ids": ids[:32]})
    return {"ok": not failures, "failures": failures}


def decode(tokenizer: Any, ids: list[int]) -> str:
    """The text of ids, nothing left out and nothing cleaned up."""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def pieces(tokenizer: Any, ids: set[int]) -> dict[str, dict[str, str]]:
    """The last line of a probe's file: id → token, as the tokenizer spells it."""
    ordered = sorted(ids)
    tokens = tokenizer.convert_ids_to_tokens(ordered)
    return {"pieces": {str(number): token for number, token in zip(ordered, tokens, strict=True)}}


def versions(*distributions: str) -> dict[str, str]:
    """Distribution → installed version, those that are not installed left out; and Python's."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"python": sys.version.split()[0]}


def put(stream: IO[str], value: Any) -> None:
    """One JSON line."""
    stream.write(json.dumps(value, ensure_ascii=False) + "\n")


def refuse(what: str, where: str = "", mend: str = "") -> NoReturn:
    """End with exit code 2: the input is wrong. Tells the loop that started this probe, and the log."""
    told = os.environ.get("CONCH_PROBLEMS")
    if told:
        problem = {"what": what, "where": where, "mend": mend}
        Path(told).write_text(json.dumps([problem], ensure_ascii=False), encoding="utf-8")
    print(f"{where}  {what}\n    → {mend}", file=sys.stderr, flush=True)
    # A chat template that never ends keeps a thread busy, which an ordinary exit would wait for.
    os._exit(2)
