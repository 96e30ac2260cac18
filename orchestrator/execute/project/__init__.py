"""The user's folder."""
