"""The config: its files as they are read, its sections, and all that can be wrong with it."""
