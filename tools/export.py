#!/usr/bin/env python
"""Exports a trained model; the same as ``resnest-dense export``.

    python tools/export.py output/config.yaml output/model_final.pth --format onnx --out model.onnx
"""

import argparse
import sys

from resnest_dense.cli import run_tool
from resnest_dense.commands.export import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    sys.exit(run_tool(parser, run))
