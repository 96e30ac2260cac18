"""Chat templates: what writes them, what they belong to, and the proof that they ask as was taught."""
