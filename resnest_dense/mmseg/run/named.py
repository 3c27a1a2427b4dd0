"""Settings of a config that have a name here, wherever in its pipelines they stand."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from resnest_dense.errors import ResNeStValueError

__all__ = ["FAULTS_ALLOWED", "NAMED", "use_named"]

FAULTS_ALLOWED = 10  # where a config says nothing

_DISTORTIONS = ("PhotoMetricDistortion", "resnest_dense.RandomGaussianBlur")
_TRAIN, _TESTS = ("train_dataloader",), ("val_dataloader", "test_dataloader")


def use_named(cfg: Config, settings: Mapping[str, Any]) -> None:
    """Sets what is named, in every place of ``cfg`` that it belongs to.

    Args:
        settings: by their names in ``NAMED``. A size is one number or (width, height), a crop
            (height, width), as in MMSegmentation.

    Raises:
        ResNeStValueError: a value that is none of the setting's, or a config that has no place for
            it.
    """
    for name, value in settings.items():
        if not NAMED[name](cfg, value):
            raise ResNeStValueError(f"{name}={value}: {cfg.filename} has no place for it (it names "
                                    f"{NAMED[name].__doc__}); set what its pipelines have instead.")
        cfg[name] = value


def _crop_size(cfg: Config, value: Any) -> int:
    """the size of training crops"""
    size = _size("crop_size", value)
    cfg.model.data_preprocessor.size = size
    return (_set(cfg, _TRAIN, "RandomCrop", "crop_size", size)
            + _set(cfg, _TRAIN, "Pad", "size", size))


def _scale(cfg: Config, value: Any) -> int:
    """what training images are resized to before a random factor"""
    size = _size("scale", value)
    return (_set(cfg, _TRAIN, "RandomResize", "scale", size)
            + _set(cfg, _TRAIN, "Resize", "scale", size))


def _scale_range(cfg: Config, value: Any) -> int:
    """the random factor of the size in training"""
    return _set(cfg, _TRAIN, "RandomResize", "ratio_range", tuple(value))


def _test_scale(cfg: Config, value: Any) -> int:
    """what images to test on are resized to"""
    return _set(cfg, _TESTS, "Resize", "scale", _size("test_scale", value))


def _flip_prob(cfg: Config, value: Any) -> int:
    """how often training images are mirrored"""
    return _set(cfg, _TRAIN, "RandomFlip", "prob", float(value))


def _distortion(cfg: Config, value: Any) -> int:
    """whether training images are changed in colour or blurred"""
    pipeline = cfg.train_dataloader.dataset.pipeline
    plain = [step for step in pipeline if step["type"] not in _DISTORTIONS]
    if value:  # as the config has it
        return len(pipeline) - len(plain)
    cfg.train_dataloader.dataset.pipeline = plain
    return 1


def _batch_size(cfg: Config, value: Any) -> int:
    """the number of training images a device"""
    cfg.train_dataloader.batch_size = _count("batch_size", value)
    return 1


def _accumulate(cfg: Config, value: Any) -> int:
    """in how many parts of batch_size images each the images of a step go through the model"""
    return _count("accumulate", value)  # which the runner reads from the config


def _faults_allowed(cfg: Config, value: Any) -> int:
    """how many images that cannot be loaded and workers that are killed are made up for"""
    _count("faults_allowed", value, least=0)  # which the runner reads from the config
    return 1


def _workers(cfg: Config, value: Any) -> int:
    """the number of processes that load images, for each loader"""
    for name in _TRAIN + _TESTS:
        if name in cfg:
            cfg[name].num_workers = _count("workers", value, least=0)
            cfg[name].persistent_workers = value > 0
    return 1


def _iterations(cfg: Config, value: Any) -> int:
    """the length of training, with its schedule, validation and checkpoints"""
    loop = cfg.train_cfg
    if "max_iters" not in loop:
        return 0
    old, loop.max_iters = loop.max_iters, _count("iterations", value)

    def scaled(number: int) -> int:
        return max(1, round(number * value / old))

    loop.val_interval = min(scaled(loop.get("val_interval", old)), value)
    for policy in cfg.get("param_scheduler", []):
        for key in ("begin", "end"):
            if policy.get(key):
                policy[key] = scaled(policy[key])
    hook = cfg.default_hooks.get("checkpoint")
    if hook and hook.get("interval", 0) > 0:
        hook.interval = min(scaled(hook.interval), value)
    return 1


NAMED: dict[str, Callable[[Config, Any], int]] = {
    "accumulate": _accumulate, "batch_size": _batch_size, "crop_size": _crop_size,
    "distortion": _distortion, "faults_allowed": _faults_allowed, "flip_prob": _flip_prob,
    "iterations": _iterations, "scale": _scale, "scale_range": _scale_range,
    "test_scale": _test_scale, "workers": _workers}


def _set(cfg: Config, loaders: tuple[str, ...], kind: str, key: str, value: Any) -> int:
    """Sets ``key`` of all steps of a kind; how many there are."""
    found = [step for name in loaders if name in cfg
             for step in _steps(cfg[name].dataset.get("pipeline") or []) if step["type"] == kind]
    for step in found:
        step[key] = value
    return len(found)


def _steps(steps: list) -> Iterator[ConfigDict]:
    for step in steps:
        if isinstance(step, list):
            yield from _steps(step)
        else:
            yield step
            yield from _steps(step.get("transforms") or [])


def _size(name: str, value: Any) -> tuple[int, int]:
    size = (value, value) if isinstance(value, int) else tuple(value) if isinstance(
        value, (list, tuple)) else ()
    if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        raise ResNeStValueError(f'{name}={value!r}: give one number of pixels, or two as "(A,B)".')
    return size


def _count(name: str, value: Any, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ResNeStValueError(f"{name}={value!r}: give a whole number of at least {least}.")
    return value
