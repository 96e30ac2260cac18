"""What is known of a hub without asking it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A place that has models, and perhaps data files.

    Attributes:
        name: what recipes, manifests and options call it.
        base_pattern: the base names that always mean this hub; "" for OWNER/NAME of the chosen hub.
        home_page: its address; a repository's page is below it.
        token: the variable with the user's access token.
        endpoint: the variable with the address of a mirror.
        mirror: a mirror that helps where the home page is out of reach, "" for none.
        library: the Python package that downloads from it.
        install: how to get that package.
        variables: further variables of the user's that the library may read; no secrets.
        settings: variables that a download always sets.
        mirror_settings: variables that a download sets when it uses a mirror.
        client: the file with its Client class; "" for probes/hub_NAME.py.
    """

    name: str
    base_pattern: str = ""
    home_page: str = ""
    token: str = ""
    endpoint: str = ""
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
        return environment.get(self.endpoint, "").rstrip("/") not in {"", self.home_page}

    def address(self, environment: Mapping[str, str]) -> str:
        """Scheme and host that requests go to; never a user name or password."""
        parts = urlsplit(environment.get(self.endpoint) or self.home_page)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}"
