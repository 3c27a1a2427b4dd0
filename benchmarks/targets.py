"""What the backbone must reach, and what the recorded cases say of it."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.rows import fastest

__all__ = ["TARGETS", "Target", "target_table"]

_NETWORKS = ("resnest50", "resnest101")
_EVAL = dict(training=False, size=[1, 512, 800], autocast=False, device="cpu")
_TRAINING = dict(training=True, size=[2, 320, 480], autocast=False, device="cpu")


@dataclass(frozen=True)
class Target:
    """One ratio that is to be reached.

    Args:
        text: what is compared with what.
        case: which recorded case it is read from.
        ratio: computes it from the rows of the case; None where something is not measured.
        least: the ratio must be at least this; None where it has an upper limit.
        most: the ratio may be at most this.
        networks: the architectures that it is asked of.
    """

    text: str
    case: dict
    ratio: Callable[[dict], float | None]
    least: float | None = None
    most: float | None = None
    networks: tuple[str, ...] = _NETWORKS

    def row(self, case: dict | None) -> tuple[str, ...]:
        """Its line of the table: target, reached, by how much missed."""
        limit = f"at least {self.least}" if self.most is None else f"at most {self.most}"
        reached = None if case is None else self.ratio(case["rows"])
        if reached is None:
            return limit, "not measured", ""
        miss = self.least - reached if self.most is None else reached - self.most
        return limit, f"{reached:.2f}", f"by {miss:.2f}" if round(miss, 2) > 0 else "no"


def _faster(ours: dict, other: dict):
    """How many times faster the best row like ``ours`` is than the best one like ``other``."""
    def ratio(rows):
        timings = fastest(rows, **ours), fastest(rows, **other)
        return None if None in timings else timings[0].speedup_over(timings[1])
    return ratio


def _slower(ours: dict, other: dict):
    return _faster(other, ours)


def _memory(rows):
    ours, peers = (min((row["peak_bytes"] for row in rows.values() if row[key] == value
                        and row.get("peak_bytes") and not row["compiled"]), default=None)
                   for key, value in (("name", "ours"), ("kind", "peer")))
    return None if None in (ours, peers) else ours / peers


_FUSED, _PEER = dict(name="ours fused"), dict(kind="peer")
_COMPILED = dict(compiled=True)
_LAST, _FIRST = dict(layout="channels last"), dict(layout="channels first")
_FLOAT = dict(_EVAL, dtype="float32", compiled=False)
_BOTH = dict(_FLOAT, compiled=True)
_HALF = dict(_EVAL, dtype="bfloat16", compiled=False)
_STEP = dict(_TRAINING, dtype="float32", compiled=False)


def _on_cuda(training: bool, size: list[int]) -> list[Target]:
    step = "training step" if training else "eval"
    text = f"CUDA, {step} in bfloat16 autocast, {size[0]}x3x{size[1]}x{size[2]}: "
    case = dict(training=training, size=size, dtype="bfloat16", autocast=not training,
                compiled=True, device="cuda")
    ours = dict(kind="ours")
    targets = [
        Target(text + "times faster than the official code eager", case,
               _faster(ours, dict(name="official torch")), least=1.5),
        Target(text + "compiled, times faster than the best peer compiled", case,
               _faster(ours | _COMPILED, _PEER | _COMPILED), least=1.15)]
    memory = Target(text + "peak memory over the best peer's", case, _memory, most=0.8)
    return [*targets, memory] if training else targets


TARGETS = (
    Target("eval float32, eager: fused, times faster than the best peer eager", _FLOAT,
           _faster(_FUSED, _PEER), least=1.5),
    Target("eval float32: fused and compiled, times faster than the best peer compiled", _BOTH,
           _faster(_FUSED | _COMPILED, _PEER | _COMPILED), least=1.05),
    Target("eval float32: fused and compiled, times faster than the best peer eager", _BOTH,
           _faster(_FUSED | _COMPILED, _PEER), least=1.65),
    Target("eval bfloat16, eager: fused, times faster than the best peer", _HALF,
           _faster(_FUSED, _PEER), least=1.4),
    Target("eval float32, eager: fused, time over that of the convolutions alone", _FLOAT,
           _slower(_FUSED, dict(kind="bound")), most=1.25),
    Target("training step float32, eager: times faster than the best peer", _STEP,
           _faster(dict(name="ours"), _PEER), least=1.25),
    Target("training step float32, eager: peak memory over the best peer's", _STEP, _memory,
           most=0.85),
    Target("eval float32, plain: channels last, time over channels first", _FLOAT,
           _slower(dict(name="ours") | _LAST, dict(name="ours") | _FIRST), most=1.0),
    Target("eval float32, fused: channels last, time over channels first", _FLOAT,
           _slower(_FUSED | _LAST, _FUSED | _FIRST), most=1.0),
    Target("training step float32: channels last, time over channels first", _STEP,
           _slower(dict(name="ours") | _LAST, dict(name="ours") | _FIRST), most=1.0),
    Target("eval float32, each at its best: time over detectron2's ResNet", _BOTH,
           _slower(dict(kind="ours", compiled=None), dict(kind="scale", compiled=None)), most=1.4,
           networks=("resnest50",)),
    *(target for training in (False, True) for size in ([8, 800, 1216], [16, 512, 512])
      for target in _on_cuda(training, size)),
)


def target_table(cases: list[dict]) -> str:
    """The table of targets as far as ``cases`` tell."""
    lines = ["| network | what | target | reached | missed |", "|---|---|---|---|---|"]
    for network in _NETWORKS:
        for target in TARGETS:
            if network in target.networks:
                wanted = dict(target.case, architecture=network)
                found = (case for case in cases
                         if all(case[key] == value for key, value in wanted.items()))
                cells = target.row(next(found, None))
                lines.append(f"| {network} | {target.text} | {' | '.join(cells)} |")
    return "\n".join(lines)
