"""Empty on purpose: only the metadata of this distribution is wanted. See environments/README.md."""
