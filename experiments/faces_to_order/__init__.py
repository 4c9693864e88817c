"""The parts of labels.py: how well a generator draws what its labels ask for."""
