"""Children and their trees."""
