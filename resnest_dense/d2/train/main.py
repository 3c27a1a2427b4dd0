"""From command-line arguments to a trained or evaluated detector: what ``train_net.py`` runs."""

import argparse
import json
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import setup_logger

from resnest_dense.analysis.machine import pick_device
from resnest_dense.base.runs import OVERWRITE
from resnest_dense.config_errors import explained
from resnest_dense.configs import find_config
from resnest_dense.d2.classes import order_in_set, set_classes, trained_classes
from resnest_dense.d2.config import load_yaml_config
from resnest_dense.d2.data.checks import check_channels, check_datasets, require_dataset
from resnest_dense.d2.data.own_data import use_own_data
from resnest_dense.d2.data.panoptic import derive_missing, use_derived_stuff
from resnest_dense.d2.train.accumulation import check_accumulation
from resnest_dense.d2.train.checkpoints import checkpoints_in
from resnest_dense.d2.train.evaluation import check_tta
from resnest_dense.d2.train.processes import find_started, start_processes
from resnest_dense.d2.train.runs import begin_run, check_run, measured_weights, save_config
from resnest_dense.d2.train.trainer import IGNORE_PREFLIGHT, RESULTS_FILE, Trainer, evaluate
from resnest_dense.data.own_files import add_arguments
from resnest_dense.errors import ResNeStValueError
from resnest_dense.training.lock import training_in
from resnest_dense.training.processes.launch import joined
from resnest_dense.training.processes.ranks import agreed_checkpoint, from_first, together
from resnest_dense.training.processes.watch import watched
from resnest_dense.training.randomness import draw_seed
from resnest_dense.training.record import was_begun

__all__ = ["make_parser", "measure_published", "read_config", "read_training_data", "run"]

_logger = logging.getLogger(__name__)
# Where each metric of the catalog stands in detectron2's results.
_METRICS = {"box_ap": ("bbox", "AP"), "mask_ap": ("segm", "AP"), "pq": ("panoptic_seg", "PQ")}


def make_parser() -> argparse.ArgumentParser:
    """detectron2's own arguments, and those that name the user's own COCO-format data."""
    parser = default_argument_parser()
    add_arguments(parser)
    parser.add_argument(IGNORE_PREFLIGHT, action="store_true", help="train although the "
                        "preflight finds an error; what it finds is still printed")
    parser.add_argument(OVERWRITE, action="store_true", help="train although OUTPUT_DIR holds a "
                        "run, whose checkpoints and metrics are then deleted")
    return parser


def run(args: argparse.Namespace) -> None:
    """Trains or evaluates in as many processes as the arguments ask for, or together with those
    that torchrun or submitit has started.

    Raises:
        ResNeStError: whatever is wrong with the config or the data, before training starts; a
            process that died.
    """
    cfg = read_config(args)
    started = find_started(args)
    prepare = _prepare_evaluation if args.eval_only else _prepare_training
    with joined(started, cuda=cfg.MODEL.DEVICE != "cpu"), ExitStack() as stack:
        # Before processes are started, or in the first of them, so that what is wrong is said once,
        # and before anything is written.
        decided = from_first(lambda: prepare(args, cfg, stack))
        if decided is None:
            return
        args.resume, args.overwrite, words = decided
        args.opts = [*args.opts, *words]
        start_processes(_work, args, started)


# What is decided for all processes: whether to resume and to overwrite, and more overrides.
_Decided = tuple[bool, bool, list[str]]


def _prepare_evaluation(args: argparse.Namespace, cfg: CfgNode, stack: ExitStack) -> _Decided:
    _set_up_logging(cfg)
    _prepare_data(cfg, train=False, test=True)
    source = measured_weights(cfg, resume=args.resume)
    trained = trained_classes(source)
    for name in cfg.DATASETS.TEST:
        order_in_set(trained, name, source=source)
    return args.resume, False, []


def _prepare_training(args: argparse.Namespace, cfg: CfgNode, stack: ExitStack) -> _Decided | None:
    """None where nothing is left to do; ``stack`` holds the folder."""
    _require_training_set(cfg)
    restarted = was_begun(cfg.OUTPUT_DIR)
    words: list[str] = []
    resume, overwrite = (True, False) if restarted else (args.resume, args.overwrite)
    done = check_run(cfg, resume=resume, overwrite=overwrite)
    stack.enter_context(training_in(cfg.OUTPUT_DIR, first=args.machine_rank == 0))
    _set_up_logging(cfg)
    if restarted:
        _logger.info("The processes were started again: the run goes on from its last checkpoint.")
    if done.changed:
        _logger.info("--resume: the config has changed since: %s.", done.changed)
    if done.iterations and done.iterations >= cfg.SOLVER.MAX_ITER:
        _logger.info("The run in %s is finished: %d of %d iterations are done. Raise "
                     "SOLVER.MAX_ITER to train on; --eval-only measures it.", cfg.OUTPUT_DIR,
                     done.iterations, cfg.SOLVER.MAX_ITER)
        return None
    if cfg.SEED < 0:
        seed = done.seed if done.seed >= 0 else draw_seed()
        words = ["SEED", str(seed)]
        _logger.info("SEED is not set: %d, %s.", seed, "as the run so far had" if
                     done.seed >= 0 else "drawn and kept in config.yaml and checkpoints")
    # What a run that goes on has passed over so far stops it no more.
    _prepare_data(cfg, train=True, test=True,
                  passed_over=cfg.DATALOADER.FAULTS_ALLOWED if done.iterations else 0)
    checkpoints_in(cfg.OUTPUT_DIR).remove_parts()
    return resume, overwrite, words


def read_config(args: argparse.Namespace) -> CfgNode:
    """The frozen config that the arguments describe.

    Raises:
        ResNeStValueError: no config, an unknown one, or an unknown key in it or behind it.
    """
    if not args.config_file:
        raise ResNeStValueError("--config-file is missing: name a file or a shipped config.")
    args.config_file = str(find_config(args.config_file, "detectron2"))
    cfg = load_yaml_config(args.config_file, args.opts)
    with explained(args.config_file):
        if not use_own_data(cfg, args):
            use_derived_stuff(cfg)
        check_tta(cfg)
        check_channels(cfg)
        check_accumulation(cfg)
    # detectron2's default is a GPU.
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    pick_device(cfg.MODEL.DEVICE, where="MODEL.DEVICE")
    if cfg.MODEL.DEVICE == "cpu" and cfg.SOLVER.AMP.ENABLED:
        raise ResNeStValueError("SOLVER.AMP.ENABLED is True, but detectron2's mixed precision "
                                "needs a GPU: set it False.")
    cfg.freeze()
    return cfg


def read_training_data(args: argparse.Namespace) -> CfgNode:
    """The config that ``config``, ``opts`` and own data describe, its training sets complete.

    Raises:
        ResNeStError: whatever is wrong with the config or the data.
    """
    args.config_file = args.config
    cfg = read_config(args)
    # Pictures that cannot be read are passed over where the others are drawn.
    _prepare_data(cfg, train=True, test=False, check_images=False)
    return cfg


def measure_published(config: str, checkpoint: Path, metrics: Iterable[str], *, out: Path,
                      num_gpus: int = 1, options: Sequence[str] = ()) -> dict[str, float]:
    """The ``metrics`` ("box_ap", "mask_ap", "pq"; in percent) of a checkpoint on ``DATASETS.TEST``.

    Args:
        config: path or shipped name of the config that the checkpoint belongs to.
        checkpoint: its weights.
        metrics: by their names in the catalog.
        out: folder of predictions and logs.
        num_gpus: processes with a GPU each; without a GPU one process on the CPU.
        options: KEY VALUE pairs that override the config.

    Raises:
        ResNeStError: as :func:`run`.
    """
    run(make_parser().parse_args([
        "--config-file", config, "--eval-only", "--num-gpus", str(num_gpus),
        *options, "MODEL.WEIGHTS", str(checkpoint), "OUTPUT_DIR", str(out)]))
    results = json.loads((out / RESULTS_FILE).read_text())
    return {name: results[task][metric] for name in metrics for task, metric in [_METRICS[name]]}


def _prepare_data(cfg: CfgNode, *, train: bool, test: bool, check_images: bool = True,
                  passed_over: int = 0) -> None:
    if train:
        _require_training_set(cfg)
    names = (*(cfg.DATASETS.TRAIN if train else ()), *(cfg.DATASETS.TEST if test else ()))
    check_datasets(cfg, names, check_images=check_images, passed_over=passed_over)
    derive_missing(names)


def _require_training_set(cfg: CfgNode) -> None:
    if not cfg.DATASETS.TRAIN:
        raise ResNeStValueError(
            "There is nothing to train on: give --train-json and --train-images, or --eval-only.")
    for name in cfg.DATASETS.TRAIN:
        require_dataset(name)


def _work(args: argparse.Namespace) -> OrderedDict | None:
    with watched():
        return _work_watched(args)


def _work_watched(args: argparse.Namespace) -> OrderedDict | None:
    cfg = read_config(args)
    if args.num_machines > 1:  # where no seed is set, each has drawn one
        args.opts = [*args.opts, "SEED", str(from_first(lambda: cfg.SEED))]
        cfg = read_config(args)
    _set_up(cfg, args)
    if args.resume and together():
        agreed_checkpoint(checkpoints_in(cfg.OUTPUT_DIR))
    if cfg.MODEL.DEVICE == "cpu" and comm.is_main_process():
        _logger.info("No GPU in use: running on the CPU with %d threads.", torch.get_num_threads())
    if args.eval_only:
        results = evaluate(cfg, resume=args.resume)
        if comm.is_main_process():
            save_config(cfg, replace=False)
            verify_results(cfg, results)
        return results
    with explained(args.config_file):
        trainer = Trainer(cfg)
    # Known now at the latest: the trainer has loaded the set.
    classes = set_classes(cfg.DATASETS.TRAIN[0])
    if classes:
        trainer.checkpointer.add_checkpointable("classes", classes)
    report = trainer.resume_or_load(resume=args.resume)
    trainer.interrupt.catch()  # before data workers are forked, whom Ctrl-C in a terminal reaches
    try:
        trainer.check_first_batch(report, resumed=args.resume and trainer.start_iter > 0,
                                  proceed=args.ignore_preflight)
        if comm.is_main_process():
            begin_run(cfg, classes, overwrite=args.overwrite)
        return trainer.train()
    finally:
        trainer.interrupt.release()


def _set_up(cfg: CfgNode, args: argparse.Namespace) -> None:
    """What detectron2's ``default_setup`` does, but that it writes config.yaml at once, over that
    of the last run."""
    for name in ("fvcore", "detectron2"):
        setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name=name)
    _set_up_logging(cfg)
    _logger.info("Environment:\n%s", collect_env_info())
    _logger.info("Command line: %s", args)
    _logger.info("Config:\n%s", cfg.dump())
    seed_all_rng(None if cfg.SEED < 0 else cfg.SEED + comm.get_rank())
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK and not args.eval_only


def _set_up_logging(cfg: CfgNode) -> None:
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="resnest_dense",
                 abbrev_name="resnest_dense")
