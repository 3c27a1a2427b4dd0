"""The command from a folder to a trained model."""

import argparse
import os

from resnest_dense.base.runs import OVERWRITE
from resnest_dense.planning.order import PRESETS, TASKS, Order

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``train``."""
    command = commands.add_parser("train", help="train on a folder, with settings that follow from "
                                  "data and machine")
    command.add_argument("data", metavar="DATA", help="folder that convert-data takes or has made; "
                         "for segment, of images and label PNGs; for panoptic, as COCO's")
    command.add_argument("--task", required=True, choices=TASKS)
    command.add_argument("--preset", choices=PRESETS, default="fast", help="fast: a small network, "
                         "ten minutes on two CPU cores; paper: the paper's recipe, scaled")
    command.add_argument("--model", metavar="NAME_OR_CONFIG", help="an architecture, or a config")
    command.add_argument("--epochs", type=int, metavar="N", help="passes over the images")
    command.add_argument("--image-size", type=int, metavar="PIXELS", help="shorter side of a "
                         "detector's images, longer side of a segmentor's")
    command.add_argument("--batch", type=_batch, metavar="N|auto", help="images a step; auto: the "
                         "most that memory holds")
    command.add_argument("--pretrained", metavar="NAME|none", help="weights to start from")
    command.add_argument("--device", help="cpu, cuda, cuda:1 (default: a GPU if there is one)")
    command.add_argument("--workers", type=int, metavar="N", help="processes that load images")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--out", default="output", metavar="DIR", help="folder of the run")
    command.add_argument(OVERWRITE, action="store_true", help="replace the run that is in --out")
    command.add_argument("--dry-run", action="store_true", help="write the config, train nothing")
    command.set_defaults(run=_train)


def _batch(text: str) -> int | str:
    return text if text == "auto" else int(text)


def _train(args: argparse.Namespace) -> None:
    names = ("task", "preset", "model", "epochs", "image_size", "batch", "pretrained", "device",
             "workers", "seed")
    if args.device and args.device.startswith("cuda:"):
        # Both frameworks take the first GPU that they see.
        os.environ["CUDA_VISIBLE_DEVICES"] = args.device.removeprefix("cuda:")
        args.device = "cuda"
    elif args.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    order = Order(**{name: getattr(args, name) for name in names})
    from resnest_dense.folder_training import plan_training

    training = plan_training(order, args.data, args.out, overwrite=args.overwrite)
    print(training.plan.table())
    print(f"Written to {training.config}. The same by hand:\n  {training.command()}", flush=True)
    if not args.dry_run:
        training.run()
        print(f"Report: {training.report()}")
