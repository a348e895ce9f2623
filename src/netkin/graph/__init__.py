"""Graphs: the directed weighted graph of a network, and its file."""
