"""The command that measures the speed and memory of a user's model."""

import argparse

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``benchmark``."""
    command = commands.add_parser(
        "benchmark", help="images per second and memory of a config's model, plain and fused")
    command.add_argument("config", help="path or shipped name, of detectron2 or MMSegmentation")
    command.add_argument("--size", type=int, nargs=2, metavar=("H", "W"),
                         help="of the images (800 1216 for a detector, 512 512 for a segmentor)")
    command.add_argument("--images", type=int, default=2, metavar="N", help="images in a batch")
    command.add_argument("--device", help="cpu, cuda, ... (a GPU if there is one)")
    command.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"],
                         help="by autocast")
    command.add_argument("--variants", nargs="+", default=["plain", "fused"],
                         choices=["plain", "fused", "compiled"])
    command.add_argument("--parts", nargs="+", default=["eval", "train", "memory"],
                         choices=["eval", "train", "memory"], help="what to measure")
    command.add_argument("--rounds", type=int, default=5, metavar="N", help="how often")
    command.set_defaults(run=_benchmark)


def _benchmark(args: argparse.Namespace) -> None:
    import torch

    from resnest_dense.analysis import describe_machine
    from resnest_dense.analysis.speed import figures_table, measure_models
    from resnest_dense.frameworks import find_framework

    framework = find_framework(args.config)
    case_type = framework.benchmark_case()
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    size = tuple(args.size or framework.image_size)
    cases = {variant: case_type(args.config, variant, size, args.images, device, args.dtype)
             for variant in args.variants}
    print(f"{args.config}: {args.images}x3x{size[0]}x{size[1]}, {args.dtype}, {device}, random "
          f"weights, median of {args.rounds}. {describe_machine()}")
    print(figures_table(measure_models(cases, rounds=args.rounds, parts=args.parts)))
