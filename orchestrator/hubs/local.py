"""A model folder on this machine: ./models/mine, ../mine, /models/mine, ~/mine."""

from orchestrator.hubs.base import Hub

hub = Hub(name="local", base_pattern=r"(\.{0,2}/|~).*")
