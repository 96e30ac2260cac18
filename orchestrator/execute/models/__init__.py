"""Models on disk and from hubs."""
