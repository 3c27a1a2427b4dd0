"""Speed and memory against the other ResNeSt implementations; run as ``python -m benchmarks.NAME``."""
