"""The user's folder: recipes, templates and datasets, read once into a Context for resolve().

Not here: the rows of datasets (data/) and runs (run_store/). Rooms from inference/ upwards import it.
"""
