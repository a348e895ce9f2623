"""Predictions: the class probabilities of a network on the test rows of its data set."""
