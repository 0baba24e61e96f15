"""What examples need of PyTorch, for machines without it."""
