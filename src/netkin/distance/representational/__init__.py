"""Representational measures: how alike the activations of two networks are."""
