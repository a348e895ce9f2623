"""Functional measures: how alike the outputs of two networks are."""
