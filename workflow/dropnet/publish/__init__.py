"""published/: finished runs and where they come from, what follows from them, its pages."""
