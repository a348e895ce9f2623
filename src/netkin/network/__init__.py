"""Networks: multilayer perceptrons, their training and their files."""
