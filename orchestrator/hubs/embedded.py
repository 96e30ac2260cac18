"""The small demonstration model that comes as a package from a Python package index."""

from orchestrator.hubs.base import Hub

hub = Hub(name="embedded", base_pattern="embedded")
