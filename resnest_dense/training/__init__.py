"""What keeps a training run: its random numbers, order, checkpoints and folder; no framework."""
