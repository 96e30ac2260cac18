"""What is not trained."""

IGNORE_INDEX = -100
