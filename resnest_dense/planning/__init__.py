"""What a training run should be, by its data and machine: facts, and rules with their reasons."""
