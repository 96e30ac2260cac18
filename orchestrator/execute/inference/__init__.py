"""Talking to a server."""
