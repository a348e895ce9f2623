"""Activations: what the layers of a network make of the probe rows of its data set."""
