"""The table of hubs; and a second remote hub, registered here and chosen by a recipe, that serves a base."""
# Covers hubs/

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator import hubs
from orchestrator.execute.models.hub import protocol
from orchestrator.hubs import HUBS, REMOTE, Hub, hub_of
from tests.execute.models import shelf_client
from tests.small_world import SmallWorld

SHELF = Hub(
    name="shelf",
    home_page="file:///shelf",
    token="SHELF_TOKEN",
    endpoint="SHELF_ENDPOINT",
    library="json",
    client=str(Path(shelf_client.__file__)),
)


@pytest.fixture
def shelf(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one repository, registered as a hub."""
    folder = small.project / "shelf"
    shutil.copytree(small.project / "base", folder / "conch/tiny")
    monkeypatch.setitem(REMOTE, "shelf", SHELF)
    monkeypatch.setenv("SHELF_ENDPOINT", f"file://{folder}")
    small.write_recipe(("{base: ./base}", "{base: conch/tiny, hub: shelf}"))
    return folder


def test_a_recipe_trains_a_base_of_another_hub(small: SmallWorld, shelf: Path) -> None:
    done = small.run("sft", "small")
    assert done.code == 0, done.err
    manifest = json.loads((small.last().path / "inputs/base.json").read_text(encoding="utf-8"))
    assert (manifest["source"], manifest["revision"]) == ("shelf:conch/tiny", "e" * 40)
    base = (small.last().path / "inputs/base").resolve()
    assert (base / "model.safetensors").read_bytes() == (shelf / "conch/tiny/model.safetensors").read_bytes()


def test_its_variables_reach_the_task_and_its_token_is_a_secret(small: SmallWorld, shelf: Path) -> None:
    plan = small.run("plan", "small", "--json").envelope["data"]
    fetch = next(stage for stage in plan["plan"]["stages"] if stage["name"] == "fetch")
    assert fetch["commands"][0]["secrets"] == ["HF_TOKEN", "MODELSCOPE_API_TOKEN", "SHELF_TOKEN"]
    assert "SHELF_ENDPOINT" in hubs.variables()


def test_without_it_the_recipe_is_refused(small: SmallWorld) -> None:
    small.write_recipe(("{base: ./base}", "{base: conch/tiny, hub: shelf}"))
    done = small.run("plan", "small")
    assert done.code == 2
    assert "model.hub: must be huggingface or modelscope" in done.err


@pytest.mark.parametrize(
    ("base", "chosen", "name"),
    [
        ("embedded", "modelscope", "embedded"),
        ("embedded/model", "modelscope", "modelscope"),
        ("Qwen/Qwen3-0.6B", "huggingface", "huggingface"),
        ("./models/我的 模型", "huggingface", "local"),
        ("../mine", "huggingface", "local"),
        ("/models/mine", "huggingface", "local"),
        ("~/mine", "huggingface", "local"),
        (".hidden/model", "huggingface", "huggingface"),
    ],
)
def test_the_base_name_decides_where_it_comes_from(base: str, chosen: str, name: str) -> None:
    assert hub_of(base, chosen).name == name


def test_only_remote_hubs_can_be_chosen() -> None:
    assert set(HUBS) - set(REMOTE) == {"local", "embedded", "recipe"}
    for hub in REMOTE.values():
        assert all((hub.home_page, hub.token, hub.endpoint, hub.library, hub.install))
        assert not hub.base_pattern


def test_an_address_shows_no_password() -> None:
    hub = HUBS["huggingface"]
    assert hub.address({"HF_ENDPOINT": "https://me:pw@mirror:8443/x"}) == "https://mirror:8443"
    assert hub.address({}) == "https://huggingface.co"
    assert hub.uses_mirror({"HF_ENDPOINT": "https://mirror"})
    assert not hub.uses_mirror({"HF_ENDPOINT": "https://huggingface.co/"})


@pytest.mark.parametrize(
    ("endpoint", "named", "sent"),
    [
        ("", "", True),
        ("https://huggingface.co/", "", True),
        ("https://hf.co", "", True),
        ("http://huggingface.co", "", False),
        ("http://huggingface.co", "huggingface.co", False),
        ("https://hf-mirror.com", "", False),
        ("https://hf-mirror.com", "other.com", False),
        ("https://hf-mirror.com", "other.com, HF-Mirror.com", True),
        ("https://HF-MIRROR.com:8443/x", "hf-mirror.com", True),
        ("http://hf-mirror.com", "hf-mirror.com", False),
        ("https://hf-mirror.com.evil.com", "hf-mirror.com", False),
        ("https://hf-mirror.com@evil.com", "hf-mirror.com", False),
        ("https://huggingface.co.evil.com", "", False),
        ("https://evil.com/huggingface.co", "", False),
        ("https://evil.com", "*", False),
        ("https://evil.com", "com", False),
        ("http://127.0.0.1:8080", "", False),
        ("http://127.0.0.1:8080", "127.0.0.1", True),
        ("http://[::1]:8080", "::1", True),
        ("http://localhost.evil.com", "localhost", False),
        ("http://10.0.0.1", "10.0.0.1", False),
        ("https://[", "[", False),
        ("huggingface.co", "", False),
    ],
)
def test_fault_146_who_gets_the_token(endpoint: str, named: str, sent: bool) -> None:  # noqa: FBT001
    environment = {"HF_ENDPOINT": endpoint, "CONCH_HF_TOKEN_HOSTS": named}
    hub = HUBS["huggingface"]
    assert hub.sends_token(environment) is sent
    given = protocol.child_environment(hub, environment | {"HF_TOKEN": "hf_CANARY"})
    assert given.get("HF_TOKEN") == ("hf_CANARY" if sent else None)
    assert ("HF_HUB_DISABLE_IMPLICIT_TOKEN" in given) is not sent


def test_fault_146_the_older_variable_of_modelscope_counts() -> None:
    hub = HUBS["modelscope"]
    given = {"MODELSCOPE_DOMAIN": "evil.com", "MODELSCOPE_API_TOKEN": "ms-CANARY"}
    assert hub.address(given) == "https://evil.com"
    assert not hub.sends_token(given)
    assert protocol.child_environment(hub, given)["MODELSCOPE_API_TOKEN"] == ""
    assert hub.sends_token(given | {"MODELSCOPE_ENDPOINT": "https://modelscope.cn"})
