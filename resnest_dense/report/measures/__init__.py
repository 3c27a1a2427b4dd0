"""What a run has reached: scores, and what its errors are."""
