"""What others have published: of which config, what it scores here, and the page of all of it."""

from resnest_dense.published.experiments import Experiment, find_experiment, list_experiments
from resnest_dense.published.scores import Score, compare, wanted_metrics

__all__ = ["Experiment", "Score", "compare", "find_experiment", "list_experiments",
           "wanted_metrics"]
