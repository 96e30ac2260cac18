"""Addresses of servers: those that hold a secret, and those that are none."""

from __future__ import annotations

from tests.faults.hostile import Hostile, nothing
from tests.faults.hostile.recipe_files import recipe_and

SECRET = "hunter22-and-more"
HOLDS = "this address has a user name, a password, a query or a fragment"
NONE = "not a server's address"

# The address, what is said of it, and what of it is shown.
ADDRESSES: dict[str, tuple[str, str]] = {
    f"http://me:{SECRET}@host:8000/v1": (HOLDS, '"http://***@host:8000/***"'),
    f"http://{SECRET}@host/v1": (HOLDS, '"http://***@host/***"'),
    f"https://:{SECRET}@[::1]:8000/v1": (HOLDS, '"https://***@[::1]:8000/***"'),
    f"http://host/v1?api_key={SECRET}": (HOLDS, '"http://host/***"'),
    f"http://host/v1?api-key={SECRET}&x=1": (HOLDS, '"http://host/***"'),
    f"http://host/v1?token={SECRET}": (HOLDS, '"http://host/***"'),
    f"http://host/v1?KEY={SECRET}": (HOLDS, '"http://host/***"'),
    f"http://host/v1?anything={SECRET}": (HOLDS, '"http://host/***"'),
    f"http://host/v1#{SECRET}": (HOLDS, '"http://host/***"'),
    f"http://host?{SECRET}": (HOLDS, '"http://host/***"'),
    f"http://host/{SECRET}@other/v1": (HOLDS, '"http://***"'),
    f"http://host/v1?mail=a@b&key={SECRET}": (HOLDS, '"http://***"'),
    f"http://me:{SECRET}?@host/v1": (NONE, '"http://***"'),
    f"http://me:{SECRET}#@host/v1": (NONE, '"http://***"'),
    f"http://me:x/{SECRET}@host/v1": (NONE, '"http://***"'),
    f"me:{SECRET}@host/v1": (NONE, '"***"'),
    f"ftp://me:{SECRET}@host/v1": (NONE, '"ftp://***@host/***"'),
    f"http://me:{SECRET}@host:99999/v1": (NONE, '"http://***@host:99999/***"'),
    f"http://me:{SECRET}@/v1": (NONE, '"http://***@/***"'),
    f"http:///v1?key={SECRET}": (NONE, '"http:///***"'),
    f"http://me:{SECRET}\x1b[2J@host/v1": (NONE, '"http://***@host/***"'),
    f"http://me:{SECRET}@ho st/v1": (NONE, '"http://***@ho st/***"'),
    "http://[::1/v1": (NONE, '"http://[::1/v1"'),
    "http://host:port/v1": (NONE, '"http://host:port/v1"'),
    "http://host:-1/v1": (NONE, '"http://host:-1/v1"'),
    "javascript:alert(1)": (NONE, '"javascript:alert(1)"'),
    "file:///etc/passwd": (NONE, '"file:///etc/passwd"'),
    "//host/v1": (NONE, '"//host/v1"'),
    "http://\x9b31m/v1": (NONE, r'"http://\x9b31m/v1"'),
    "http://\u202etsoh/v1": (NONE, r'"http://\u202etsoh/v1"'),
    "http://ho\nst/v1": (NONE, '"http://ho st/v1"'),
    "http://" + "a" * 5_000 + "/v1": (NONE, "aaa…"),
    "http://xn--" + "a" * 80 + "/v1": (NONE, '"http://xn--aaa'),
}
VERBS = (
    ("verify", "small"),
    ("prove", "small"),
    ("why", "small"),
    ("eval", "small"),
    ("chat", "small"),
    ("bench",),
)

CASES = (
    *(
        Hostile(
            address[:60].encode("unicode_escape").decode(),
            nothing,
            ("verify", "small", "--base-url", address),
            2,
            says,
            never=(SECRET,),
            also_json=number % 8 == 0,
        )
        for number, (address, says) in enumerate(ADDRESSES.items())
    ),
    *(
        Hostile(
            f"a password for conch {words[0]}",
            nothing,
            (*words, "--base-url", f"http://me:{SECRET}@host/v1"),
            2,
            (HOLDS,),
            never=(SECRET,),
        )
        for words in VERBS[1:]
    ),
    *(
        Hostile(
            f"a judge behind {address}",
            recipe_and(f"judge: {{base_url: '{address}', model: m}}\n"),
            ("plan", "small"),
            2,
            ("recipes/small.yaml:", "an address like http://127.0.0.1:8000/v1"),
            never=(SECRET,),
        )
        for address in (
            f"http://me:{SECRET}@host/v1",
            f"http://host/v1?api_key={SECRET}",
        )
    ),
    Hostile(
        "a host that is not there",
        nothing,
        ("verify", "small", "--base-url", "http://no.such.host.invalid/v1"),
        3,
        ("nothing listens at http://no.such.host.invalid/v1: no host has the name",),
        env={"CONCH_ANSWER_TIMEOUT": "5"},
    ),
    Hostile(
        "a time that is none",
        nothing,
        ("verify", "small", "--base-url", "http://127.0.0.1:9/v1"),
        2,
        (r"not a time: \x1b[2J",),
        env={"CONCH_ANSWER_TIMEOUT": "\x1b[2J"},
    ),
    Hostile(
        "a proxy with a password that is none",
        nothing,
        ("verify", "small", "--base-url", "http://192.0.2.1/v1"),
        2,
        ("cannot use the proxy", "***@"),
        never=(SECRET,),
        env={"http_proxy": f"gopher://me:{SECRET}@proxy:70", "no_proxy": ""},
    ),
)
