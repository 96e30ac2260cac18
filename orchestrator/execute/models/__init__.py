"""Models on disk: fetched from hubs, built, checked, and their tokenizers corrected.

What is known of a hub without asking it is in orchestrator/hubs; remote hubs are downloaded in hub/. Rooms
from project/ upwards import it.
"""
