"""Which options of an engine a recipe may set: a table per engine, all its options in it. Pure.

Not here: how an option is rendered (the engine's file in backends/). backends/ and plan/validation import it.
"""
