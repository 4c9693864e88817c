"""The parts of experiments/gpu.py: what is carried to the GPU, its phases, and the folder of results."""
