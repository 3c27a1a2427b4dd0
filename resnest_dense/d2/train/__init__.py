"""Training and evaluating a detector: what ``tools/train_net.py`` runs."""

from resnest_dense.d2.train.main import (
    make_parser,
    measure_published,
    read_config,
    read_training_data,
    run,
)

__all__ = ["make_parser", "measure_published", "read_config", "read_training_data", "run"]
