"""What the probes share: tokenizer checks, versions, output files, refusals. Imports no engine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row = dict[str, Any]

ROUND_TRIP_TEXTS = (
    "a b\n你",
    "Hello world, 你好\nx",
    "  two  spaces\t\ttabs\n\n\nlines \n",
    "def f(x):\n    return x ** 2  # 平方\n",
    "🦀🐚 naïve — “quotes” ①②③ 蟹堡王",
)

FIXED_TEXTS = (
    *ROUND_TRIP_TEXTS,
    "你好，世界！蟹堡王今天开门吗？",
    "繁體中文：海螺說「試試看吧。」——第１２３次…",
    "The quick brown fox doesn't jump over 1,234.5 lazy dogs; isn't that odd?",
    "中英 mixed 文本with no空格,和标点。OK!",
    "😀👩‍👩‍👧‍👦🇨🇳👍🏽 ❤️ ☕️",
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i] * b[i];  // 点积\n}\n",
    "SELECT * FROM \"表\" WHERE id >= 10 AND name LIKE '%海螺%';",
    '{"key": [1, 2.5e-3, null], "路径": "C:\\\\tmp\\n"}',
    "https://example.com/路径?q=a%20b&x=1#锚",
    "Ça va ? Ελληνικά, русский, العربية, עברית, हिन्दी, 日本語, 한국어",
    # Not in Unicode's normal form C: an e, and an accent of its own.
    "cafe\u0301 e\u0301",
    "0 12 123 1234 12345 3.14159 １２３ ①",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\n\n\n",
    "\t",
    " \n \n",
    "\r\n行\r\n",
    " leading",
    "trailing ",
    "a  b   c    d",
    "\n\n答案\n\n",
    "全角\u3000空格 不断行\u00a0空格 零宽\u200b空格",
)


def round_trip(tokenizer: PreTrainedTokenizerBase) -> Row:
    """Encode and decode some texts; the failures are those that do not come back as they were."""
    failures = []
    for text in ROUND_TRIP_TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        back = decode(tokenizer, ids)
        if back != text:
            failures.append({"text": text, "decoded": back, "ids": ids[:32]})
    return {"ok": not failures, "failures": failures}


def fixed_texts(tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """Encode the fixed texts and every special and added token, alone and between two words.

    Returns:
        {"text", "ids", "decoded"} of each.
    """
    tokens = sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()})
    found = []
    for text in (*FIXED_TEXTS, *tokens, *(f"海螺{token}shell" for token in tokens)):
        ids = list(tokenizer.encode(text, add_special_tokens=False))
        found.append({"text": text, "ids": ids, "decoded": decode(tokenizer, ids)})
    return found


def decode(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """Decode ids with special tokens kept and nothing cleaned up."""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def pieces(tokenizer: PreTrainedTokenizerBase, ids: set[int]) -> dict[str, dict[str, str]]:
    """The last line of a probe's file: id → token."""
    ordered = sorted(ids)
    tokens = tokenizer.convert_ids_to_tokens(ordered)
    return {"pieces": {str(number): token for number, token in zip(ordered, tokens, strict=True)}}


def versions(*distributions: str) -> dict[str, str]:
    """Distribution → installed version, of those that are installed; and Python's."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"python": sys.version.split()[0]}


def put(stream: IO[str], value: object) -> None:
    """Write one JSON line."""
    stream.write(json.dumps(value, ensure_ascii=False) + "\n")


@contextmanager
def output(path: Path | str) -> Iterator[IO[str]]:
    """Open a file for writing under a temporary name; rename it at the end."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    with half.open("w", encoding="utf-8") as stream:
        yield stream
    half.replace(path)


def offline() -> None:
    """Keep the engines' libraries off the network, and quiet."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    os.environ.update(VLLM_NO_USAGE_STATS="1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")


def refuse(what: str, where: str = "", hint: str = "") -> NoReturn:
    """Report a problem with the input to the runner and the log, and exit with code 2."""
    report = os.environ.get("CONCH_PROBLEMS")
    if report:
        problem = {"what": what, "where": where, "hint": hint}
        Path(report).write_text(json.dumps([problem], ensure_ascii=False), encoding="utf-8")
    print(f"{where}  {what}\n    → {hint}", file=sys.stderr, flush=True)
    # An ordinary exit would wait for the thread of a chat template that never ends.
    os._exit(2)
