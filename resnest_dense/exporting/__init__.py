"""Trained models as files that run without torch: written, and run against what they were."""
