"""Backbones under one recipe, seed by seed: trained, measured, and told from noise."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from resnest_dense.analysis import Analysis, describe_machine
from resnest_dense.analysis.speed import ModelCase, measure_models
from resnest_dense.base.files import beside
from resnest_dense.base.progress import counting
from resnest_dense.comparison.recipe import Member, Recipe
from resnest_dense.comparison.result import Comparison, Row
from resnest_dense.comparison.runs import Run, devices, train_all
from resnest_dense.comparison.start import make_members
from resnest_dense.comparison.statistics import MOST_SEEDS
from resnest_dense.config_errors import explained
from resnest_dense.errors import ResNeStValueError

__all__ = ["Comparison", "Member", "Recipe", "compare", "make_members", "write_comparison"]


def compare(recipe: Recipe, members: Sequence[Member], *, config: str, seeds: int, out: Path,
            rounds: int = 5) -> Comparison:
    """Trains each member with each seed, but for the runs that ``out`` has finished, and measures
    what the members cost.

    Args:
        recipe: of all runs.
        members: of the comparison.
        config: what the recipe is called.
        seeds: how many: 0, 1, ...
        out: a folder for each member, in it one for each seed.
        rounds: how often speed is timed; 0 leaves speed and memory out.

    Raises:
        ResNeStError: before anything is trained, for a member that the recipe cannot be run with or
            a run of other settings in ``out``; later where a run fails.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise ResNeStValueError(f"--seeds {seeds}: use a number from 1 to {MOST_SEEDS}.")
    runs = _plan(recipe, members, seeds, out)
    # Raises for runs of other settings, before anything is written.
    scores: dict[tuple[str, int], Mapping[str, float]] = {
        (run.network, run.seed): run.scores() for run in runs}
    configs = {run.network: run.config for run in runs}
    analyses = {member.network: _write(recipe, member, configs[member.network])
                for member in members}
    open_runs = [run for run in runs if not scores[run.network, run.seed]]
    print(f"{len(runs)} runs, {len(runs) - len(open_runs)} of them finished before: {out}",
          flush=True)
    with counting("runs") as count:
        def tell(run: Run, found: Mapping[str, float]) -> None:
            scores[run.network, run.seed] = found
            values = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            print(f"{run.network}, seed {run.seed}: {values}", flush=True)
            count(sum(map(bool, scores.values())), len(runs))

        train_all(open_runs, recipe, devices(), tell)
    size = analyses[members[0].network].size
    costs = _measure(recipe, configs, size, rounds) if rounds else {}
    rows = []
    for member in members:
        name, total = member.network, analyses[member.network].total
        each = {metric: [scores[name, seed][metric] for seed in range(seeds)]
                for metric in scores[name, 0]}
        rows.append(Row(member, total.parameters, total.macs, *costs.get(name, (None, None)), each))
    return Comparison(config, seeds, size, describe_machine(), rows)


def write_comparison(found: Comparison, out: Path) -> list[Path]:
    """Writes ``comparison.md``, ``.json`` and ``.png`` into a folder."""
    from resnest_dense.comparison.figure import draw_comparison

    files = [out / f"comparison.{suffix}" for suffix in ("md", "json", "png")]
    with beside(files[0]) as part:
        part.write_text(found.text(), encoding="utf-8")
    with beside(files[1]) as part:
        part.write_text(json.dumps(found.data(), indent=1) + "\n", encoding="utf-8")
    with beside(files[2]) as part:
        draw_comparison(found).savefig(part, dpi=130, format="png")
    return files


def _plan(recipe: Recipe, members: Sequence[Member], seeds: int, out: Path) -> list[Run]:
    """All runs, the first seed of each member first."""
    settings = {}
    for member in members:
        with explained(member.network):
            settings[member.network] = recipe.settings(member)
    return [Run(name, seed, out / name / f"config{recipe.suffix}", settings[name])
            for seed in range(seeds) for name in settings]


def _write(recipe: Recipe, member: Member, config: Path) -> Analysis:
    """Writes a member's config, and builds its model, for what it costs."""
    config.parent.mkdir(parents=True, exist_ok=True)
    with explained(member.network):
        recipe.write(member, config)
        return recipe.analyze(config)


def _measure(recipe: Recipe, configs: Mapping[str, Path], size: tuple[int, int],
             rounds: int) -> dict[str, tuple[float | None, int | None]]:
    """Images per second in eval and bytes at the peak of a training step, of each member."""
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def cases(variant: str, images: int) -> dict[str, ModelCase]:
        return {name: recipe.case(path, variant, size, images, device)
                for name, path in configs.items()}

    speeds = measure_models(cases("fused", 1), rounds=rounds, parts=["eval"])
    # Of two images: batch norms of the attention have no statistics of one.
    peaks = measure_models(cases("plain", 2), rounds=rounds, parts=["memory"])
    return {name: (speeds[name].eval_speed, peaks[name].peak_bytes) for name in configs}
