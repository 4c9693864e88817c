"""Generators for others: as files that programs without PyTorch draw with."""
