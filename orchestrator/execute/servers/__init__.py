"""A model server's life."""
