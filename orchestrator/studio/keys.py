"""Keys, the names that they belong to, what each may do, and how much of it.

A key is shown once, when it is made; the store has its SHA-256 (a key has 256 random bits, so a slow hash
would add nothing). Without any key, and only on loopback, every request is the project owner's, whose name is
"".
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from secrets import token_urlsafe

from orchestrator.errors import Problem, UsageError, did_you_mean
from orchestrator.studio import SCOPES
from orchestrator.studio.errors import ApiError
from orchestrator.studio.store import Store, now

OWNER = ""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MINUTE = 60.0
_Used = deque[tuple[float, int]]
"""(time, amount) of what a name used, oldest first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a name may use: requests and tokens in a minute, and jobs that are not over; 0 for no limit."""

    requests: int = 0
    tokens: int = 0
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request."""

    name: str
    scopes: frozenset[str]
    limits: Limits = field(default_factory=Limits)

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose things it sees: its own; with the scope admin also those of the command line."""
        return tuple({self.name, OWNER}) if "admin" in self.scopes else (self.name,)

    def may(self, scope: str) -> bool:
        """Whether it has the scope."""
        return scope in self.scopes or "admin" in self.scopes


PROJECT_OWNER = Caller(OWNER, frozenset(SCOPES))


def add_key(store: Store, name: str, scopes: Sequence[str], limits: Limits) -> str:
    """Make a key for a name, new or known; returns the key, which nothing else knows.

    Raises:
        UsageError: the name or a scope is none.
    """
    if not _NAME.fullmatch(name):
        what = "a name has small letters, digits, dots, dashes and underscores (at most 64)"
        raise UsageError(Problem(what, hint="conch studio key add alice --scope inference"))
    problems = [
        Problem(
            f'no scope named "{one}"{did_you_mean(one, SCOPES)}', "--scope", f"one of: {', '.join(SCOPES)}"
        )
        for one in scopes
        if one not in SCOPES
    ]
    if problems:
        raise UsageError(*problems)
    key = f"ck-{token_urlsafe(32)}"
    row = (_hash(key), name, ",".join(scopes), json.dumps(asdict(limits)), now())
    with store.transaction() as base:
        base.execute("insert into keys (hash, name, scopes, limits, created) values (?, ?, ?, ?, ?)", row)
    return key


def keys(store: Store) -> list[dict[str, object]]:
    """Every key: its mark (the start of its hash), name, scopes, limits and age; not the key."""
    with store.transaction() as base:
        found = base.execute(
            "select hash, name, scopes, limits, created from keys order by created"
        ).fetchall()
    return [
        {
            "key": row[0][:12],
            "name": row[1],
            "scopes": row[2].split(","),
            **json.loads(row[3]),
            "created": row[4],
        }
        for row in found
    ]


def remove_key(store: Store, mark: str) -> int:
    """Remove the key of that mark, or every key of that name; returns how many."""
    with store.transaction() as base:
        found = base.execute("delete from keys where name = ? or substr(hash, 1, 12) = ?", (mark, mark))
        return found.rowcount


def caller_of(store: Store, authorization: str, *, required: bool) -> Caller:
    """Who an Authorization header names.

    Args:
        store: has the keys.
        authorization: the header, "" for none.
        required: a key is required even if none was ever made.

    Raises:
        ApiError: 401.
    """
    key = authorization.partition(" ")[2].strip() if authorization[:7].lower() == "bearer " else ""
    with store.transaction() as base:
        row = base.execute("select name, scopes, limits from keys where hash = ?", (_hash(key),)).fetchone()
        if row:
            return Caller(row[0], frozenset(row[1].split(",")), Limits(**json.loads(row[2])))
        if not required and not base.execute("select 1 from keys limit 1").fetchone():
            return PROJECT_OWNER
    what = "Incorrect API key provided." if key else "You didn't provide an API key."
    hint = "`conch studio key add NAME` makes one; send it as Authorization: Bearer KEY"
    raise ApiError(401, f"{what} {hint}", code="invalid_api_key")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Meter:
    """Counts requests and tokens of each name over the last minute, in this process."""

    def __init__(self) -> None:
        self._requests: defaultdict[str, _Used] = defaultdict(deque)
        self._tokens: defaultdict[str, _Used] = defaultdict(deque)

    def request(self, who: Caller) -> None:
        """Count a request; ApiError 429 when it is one too many."""
        if not who.limits.requests:
            return
        _refuse_more(self._requests[who.name], who.limits.requests, "requests")
        self._requests[who.name].append((time.monotonic(), 1))

    def check_tokens(self, who: Caller) -> None:
        """ApiError 429 when the tokens of the last minute are used up."""
        if who.limits.tokens:
            _refuse_more(self._tokens[who.name], who.limits.tokens, "tokens")

    def add_tokens(self, who: Caller, count: int) -> None:
        """Count the tokens of an answer."""
        if who.limits.tokens and count:
            self._tokens[who.name].append((time.monotonic(), count))


def _refuse_more(used: _Used, most: int, what: str) -> None:
    """ApiError 429 if the last minute used up what a minute allows; what is older is forgotten."""
    moment = time.monotonic()
    while used and used[0][0] < moment - _MINUTE:
        used.popleft()
    if sum(count for _, count in used) >= most:
        wait = max(1, round(used[0][0] + _MINUTE - moment))
        message = f"Rate limit reached: {most} {what} a minute. Try again in {wait} s."
        raise ApiError(429, message, code="rate_limit_exceeded", retry_after=wait)
