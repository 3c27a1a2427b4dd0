"""The recorded cases of the backbone benchmark as Markdown."""

import math

from benchmarks.profile import KINDS
from benchmarks.rows import fastest
from benchmarks.targets import target_table
from resnest_dense.analysis import Timing

__all__ = ["case_table", "page"]

_HEAD = """# Backbones side by side

Same weights, same input, feature maps compared before anything is timed; runs taken in turn in one
process, medians with lowest and highest. "x best peer" is how many times faster than the fastest
other ResNeSt in its better layout and eager mode, as the median over rounds. Eval casts the network
(unless it says autocast), training is by autocast. Memory is what one step needs at its peak beyond
network and input, in a process of its own.

"""


def page(cases: list[dict]) -> str:
    """The page of all ``cases``: targets first, then each case."""
    ordered = sorted(cases, key=lambda case: [
        case[name] for name in ("device", "architecture", "training", "dtype", "compiled", "size")])
    sections = (f"## {title(case)}\n\n{case_table(case)}\n" for case in ordered)
    return f"{_HEAD}{target_table(cases)}\n\n" + "\n".join(sections)


def title(case: dict) -> str:
    """What ``case`` is of, in one line."""
    count, height, width = case["size"]
    phase = "training step" if case["training"] else "eval"
    auto = case["dtype"] != "float32" and (case["training"] or case["autocast"])
    return (f"{case['architecture']}, {phase}, {count}x3x{height}x{width}, "
            f"{case['dtype']}{' autocast' if auto else ''}, {case['device']}"
            f"{', with torch.compile' if case['compiled'] else ''}")


def case_table(case: dict) -> str:
    """One case: times and memory, and where the time goes."""
    rows = sorted(case["rows"].values(), key=lambda row: Timing(row["seconds"]).median
                  if "seconds" in row else math.inf)
    parts = []
    if "machine" in case:
        bound = case["moved_bytes"] / case["copy_bandwidth"]
        parts.append(f"{case['machine']}, {case['date']}. Moving every convolution's input, weight "
                     f"and output once at the measured copy bandwidth "
                     f"({case['copy_bandwidth'] / 1e9:.1f} GB/s): {bound:.4f} s.")
    parts.append(_table(
        ("network", "layout", "s", "lowest - highest", "x best peer", "/ convolutions",
         "peak MB", "difference"),
        [_time_cells(row, case["rows"]) for row in rows]))
    profiled = [row for row in rows if "shares" in row]
    if profiled:
        parts.append("Share of the time, eager operators:")
        parts.append(_table(("network", "layout", *KINDS), [
            (row["name"], row["layout"], *(f"{100 * row['shares'][kind]:.0f}%" for kind in KINDS))
            for row in profiled]))
    return "\n\n".join(parts)


def _time_cells(row, rows):
    cells = [row["name"] + (" compiled" if row["compiled"] else ""), row["layout"]]
    if "seconds" in row:
        timing = Timing(row["seconds"])
        cells += [f"{timing.median:.4f}", f"{timing.low:.4f} - {timing.high:.4f}",
                  *(_ratio(timing, fastest(rows, kind=kind), inverse)
                    for kind, inverse in (("peer", False), ("bound", True)))]
    else:
        cells += [""] * 4
    peak, found = row.get("peak_bytes"), row.get("difference")
    return [*cells, "" if peak is None else f"{peak / 1e6:.0f}",
            "" if found is None else f"{found:.0e}"]


def _ratio(timing, other, inverse):
    if other is None:
        return ""
    ratio = timing.speedup_over(other)
    return f"{1 / ratio if inverse else ratio:.2f}"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
