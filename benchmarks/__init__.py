"""Speed and memory against other implementations; run as ``python -m benchmarks.NAME``."""
