"""From command-line arguments to a trained or evaluated detector: what ``train_net.py`` runs."""

import argparse
import logging
from collections import OrderedDict

import torch
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser, default_setup, launch
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from resnest_dense.configs import find_config
from resnest_dense.d2.classes import write_classes
from resnest_dense.d2.config import get_cfg
from resnest_dense.d2.datasets import check_datasets, read_categories, use_coco_files
from resnest_dense.d2.trainer import Trainer, evaluate
from resnest_dense.errors import ResNeStValueError

__all__ = ["make_parser", "run"]

_logger = logging.getLogger(__name__)


def make_parser() -> argparse.ArgumentParser:
    """detectron2's own arguments, and four that name the user's own COCO-format data."""
    parser = default_argument_parser()
    own = parser.add_argument_group("own data", "COCO-format files; classes come from the file")
    own.add_argument("--train-json", default="", metavar="FILE", help="annotations to train on")
    own.add_argument("--train-images", default="", metavar="DIR", help="folder of their images")
    own.add_argument("--val-json", default="", metavar="FILE", help="annotations to evaluate on")
    own.add_argument("--val-images", default="", metavar="DIR", help="folder of their images")
    return parser


def run(args: argparse.Namespace) -> None:
    """Trains or evaluates in as many processes as the arguments ask for.

    Raises:
        ResNeStError: whatever is wrong with the config or the data, before training starts.
    """
    cfg = read_config(args)
    _set_up_logging(cfg)
    # Before the processes start, so that what is wrong is said once.
    check_datasets(cfg, cfg.DATASETS.TEST if args.eval_only
                   else (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST))
    if torch.cuda.is_available() and args.num_gpus > torch.cuda.device_count():
        raise ResNeStValueError(
            f"--num-gpus {args.num_gpus}: this machine has {torch.cuda.device_count()}."
        )
    launch(_work, args.num_gpus, num_machines=args.num_machines, machine_rank=args.machine_rank,
           dist_url=args.dist_url, args=(args,))


def read_config(args: argparse.Namespace) -> CfgNode:
    """The frozen config that the arguments describe.

    Raises:
        ResNeStValueError: no config, an unknown one, or an unknown key in it or behind it.
    """
    if not args.config_file:
        raise ResNeStValueError("--config-file is missing: name a file or a shipped config.")
    args.config_file = str(find_config(args.config_file, "detectron2"))
    cfg = get_cfg()
    try:
        cfg.merge_from_file(args.config_file)
        cfg.merge_from_list(args.opts)
    except (AssertionError, KeyError, ValueError) as error:
        raise ResNeStValueError(
            f"{args.config_file} and {args.opts or 'no overrides'}: {error}. Overrides are KEY VALUE "
            "pairs with the keys of detectron2 and of MODEL.RESNETS."
        ) from error
    use_coco_files(cfg, train_json=args.train_json, train_images=args.train_images,
                   val_json=args.val_json, val_images=args.val_images)
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    if cfg.MODEL.DEVICE == "cpu" and cfg.SOLVER.AMP.ENABLED:
        raise ResNeStValueError(
            "SOLVER.AMP.ENABLED is True, but detectron2's mixed precision needs a GPU: set it False."
        )
    cfg.freeze()
    return cfg


def _work(args: argparse.Namespace) -> OrderedDict:
    cfg = read_config(args)
    default_setup(cfg, args)
    _set_up_logging(cfg)
    if cfg.MODEL.DEVICE == "cpu" and comm.is_main_process():
        _logger.info("No GPU in use: running on the CPU with %d threads.", torch.get_num_threads())
    if args.eval_only:
        results = evaluate(cfg, resume=args.resume)
        if comm.is_main_process():
            verify_results(cfg, results)
        return results
    if args.train_json and comm.is_main_process():
        write_classes(cfg.OUTPUT_DIR, read_categories(args.train_json))
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


def _set_up_logging(cfg: CfgNode) -> None:
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="resnest_dense",
                 abbrev_name="resnest_dense")
