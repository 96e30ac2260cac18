"""What is known of a hub without asking it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# Names, with commas between them, the hosts of mirrors that may see the access tokens.
TOKEN_HOSTS = "CONCH_HF_TOKEN_HOSTS"  # noqa: S105  a variable's name
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A place that has models, and perhaps data files.

    Attributes:
        name: what recipes, manifests and options call it.
        base_pattern: the base names that always mean this hub; "" for OWNER/NAME of the chosen hub.
        home_page: its address; a repository's page is below it.
        official: further hosts of its own, to which the token goes as well.
        token: the variable with the user's access token.
        no_token: variables that make the library send no token, not even one that it has stored.
        endpoint: the variable with the address of a mirror.
        old_endpoint: an older variable, with a host, that the library reads where `endpoint` is unset.
        mirror: a mirror that helps where the home page is out of reach, "" for none.
        library: the Python package that downloads from it.
        install: how to get that package.
        variables: further variables of the user's that the library may read; no secrets.
        settings: variables that a download always sets.
        mirror_settings: variables that a download sets when it uses a mirror.
        client: the file with its Client class; "" for probes/hubs/NAME.py.
    """

    name: str
    base_pattern: str = ""
    home_page: str = ""
    official: tuple[str, ...] = ()
    token: str = ""
    no_token: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = ""
    old_endpoint: str = ""
    mirror: str = ""
    library: str = ""
    install: str = ""
    variables: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    mirror_settings: Mapping[str, str] = field(default_factory=dict)
    client: str = ""

    def owns(self, base: str) -> bool:
        """Whether a base name means this hub, whatever hub was chosen."""
        return bool(self.base_pattern and re.fullmatch(self.base_pattern, base, re.DOTALL))

    def uses_mirror(self, environment: Mapping[str, str]) -> bool:
        """Whether an environment sends requests to another address than the home page."""
        return self._endpoint(environment).rstrip("/") != self.home_page

    def address(self, environment: Mapping[str, str]) -> str:
        """Scheme and host that requests go to; never a user name or password."""
        try:
            parts = urlsplit(self._endpoint(environment))
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "an address that is none"
        return f"{parts.scheme}://{parts.hostname or ''}{port}"

    def sends_token(self, environment: Mapping[str, str]) -> bool:
        """Whether the access token goes to that address.

        It goes to the hub itself, and to the hosts that TOKEN_HOSTS names; never unencrypted to another
        machine.
        """
        try:
            parts = urlsplit(self._endpoint(environment))
            host = (parts.hostname or "").lower()
        except ValueError:
            return False
        named = {one.strip().lower() for one in environment.get(TOKEN_HOSTS, "").split(",")} - {""}
        known = host in {urlsplit(self.home_page).hostname, *self.official, *named}
        return known and (parts.scheme == "https" or host in LOOPBACK)

    def _endpoint(self, environment: Mapping[str, str]) -> str:
        old = environment.get(self.old_endpoint, "").strip()
        if old and "://" not in old:
            old = f"https://{old}"
        return environment.get(self.endpoint, "") or old or self.home_page
