"""Published ResNeSt weights: found, fetched, read safely, translated, loaded with a report."""

from resnest_dense.weights import catalog
from resnest_dense.weights.contract import InputContract, check_contract
from resnest_dense.weights.conversion import convert
from resnest_dense.weights.download import fetch, verify, weights_dir
from resnest_dense.weights.loading import load, prepare
from resnest_dense.weights.matching import adapt
from resnest_dense.weights.report import LoadReport

__all__ = ["InputContract", "LoadReport", "adapt", "catalog", "check_contract", "convert", "fetch",
           "load", "prepare", "verify", "weights_dir"]
