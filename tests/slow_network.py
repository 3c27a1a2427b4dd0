"""Every network as its paper writes it, slowly: an oracle that shares no code with the package, and
takes a state dict under our names. Groups, splits and branches are gone through one by one."""

import torch
from torch.nn import functional as F

EPS = 1e-5
PLANES = (64, 128, 256, 512)


class Weights:
    """The entries of a state dict below a name."""

    def __init__(self, state, path="", *, training=False):
        self.state, self.path, self.training = state, path, training

    def __getattr__(self, name):
        return Weights(self.state, f"{self.path}{name}.", training=self.training)

    def __getitem__(self, name):
        return self.state[self.path + name]

    def __contains__(self, name):
        return any(key.startswith(self.path + name) for key in self.state)


def batch_norm(x, w):
    """Over the batch while training; of one value a channel there is no variance, and the running
    statistics serve."""
    if w.training and x.numel() > x.shape[1]:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    else:
        mean, var = w["running_mean"], w["running_var"]
    scale = w["weight"] / (var + EPS).sqrt()
    return x * scale[:, None, None] + (w["bias"] - mean * scale)[:, None, None]


def conv(x, w, *, stride=1, dilation=1, groups=1):
    """A convolution of odd size that keeps the size of the map, one group after the other."""
    weight = w["weight"]
    padding = weight.shape[-1] // 2 * dilation
    out = [F.conv2d(part, one, None, stride, padding, dilation)
           for part, one in zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True)]
    out = torch.cat(out, 1)
    return out + w["bias"][:, None, None] if "bias" in w else out


def split_attention(x, w, a, *, stride, dilation):
    """Paper equations 1 to 3, cardinal group by cardinal group."""
    x = conv(x, w.conv, stride=stride, dilation=dilation, groups=a.radix * a.cardinality)
    splits = batch_norm(x, w.bn0).relu().chunk(a.radix, 1)
    pooled = sum(splits[1:], splits[0]).mean((2, 3), keepdim=True)
    hidden = batch_norm(conv(pooled, w.fc1, groups=a.cardinality), w.bn1).relu()
    logits = conv(hidden, w.fc2, groups=a.cardinality)
    groups = []
    for k, of_group in enumerate(logits.chunk(a.cardinality, 1)):
        of_splits = torch.stack(of_group.chunk(a.radix, 1))
        share = of_splits.sigmoid() if a.radix == 1 else of_splits.exp() / of_splits.exp().sum(0)
        groups.append(sum(split.chunk(a.cardinality, 1)[k] * share[r]
                          for r, split in enumerate(splits)))
    return torch.cat(groups, 1)


def selective_kernels(x, w, a, *, stride, dilation):
    paths = [batch_norm(conv(x, getattr(w.paths, str(i)), stride=stride,
                             dilation=dilation * (i + 1), groups=a.cardinality),
                        getattr(w.paths, str(i)).norm).relu() for i in range(a.radix)]
    pooled = sum(paths[1:], paths[0]).mean((2, 3), keepdim=True)
    hidden = batch_norm(conv(pooled, w.fc1), w.bn1).relu()
    logits = torch.stack(conv(hidden, w.fc2).chunk(a.radix, 1))
    share = logits.exp() / logits.exp().sum(0)
    return sum(path * one for path, one in zip(paths, share))


def plain(x, w, a, *, stride, dilation):
    x = conv(x, w, stride=stride, dilation=dilation, groups=a.cardinality)
    return batch_norm(x, w.norm).relu()


def gate(x, w, name):
    if not name:
        return x
    pooled = x.mean((2, 3), keepdim=True)
    out = x * conv(conv(pooled, w.fc1).relu(), w.fc2).sigmoid()
    return out + x * conv(x, w.spatial).sigmoid() if name == "scse" else out


SPATIALS = {"split": split_attention, "sk": selective_kernels, "conv": plain}


def bottleneck(x, w, a, *, stride, pool, dilation):
    def pooled(y):
        return F.avg_pool2d(y, 3, stride, padding=1) if pool else y

    first = stride if a.stride_in_1x1 and not pool else 1
    out = batch_norm(conv(x, w.conv1, stride=first), w.conv1.norm).relu()
    out = pooled(out) if a.avd_first else out
    out = SPATIALS[a.spatial](out, w.conv2, a, stride=1 if pool else stride // first,
                              dilation=dilation)
    out = out if a.avd_first else pooled(out)
    out = gate(batch_norm(conv(out, w.conv3), w.conv3.norm), w.gate, a.gate)
    if "shortcut" in w:
        if a.avg_down and stride > 1:
            x, stride = F.avg_pool2d(x, stride, stride, ceil_mode=True,
                                     count_include_pad=False), 1
        x = batch_norm(conv(x, w.shortcut, stride=stride), w.shortcut.norm)
    return (out + x).relu()


def stage_plans(output_stride, form):
    """Stride, pool, and dilation of the first and of the other blocks, of each stage."""
    plans, reached, dilation = [(1, False, 1, 1)], 4, 1
    for _ in PLANES[1:]:
        if reached < output_stride:
            reached *= 2
            plans.append((2, True, 1, 1))
        else:
            first = {"official": dilation, "mmseg": dilation, "detectron2": 2 * dilation}[form]
            dilation *= 2
            plans.append((1, form == "official", first, dilation))
    return plans


def features(state, a, x, *, output_stride=32, form="official", training=False, last="res5"):
    """All feature maps up to ``last``, by name, of an image (N, C, H, W)."""
    w = Weights(state, training=training)
    if a.deep_stem:
        for i, part in enumerate((w.stem.conv1_1, w.stem.conv1_2, w.stem.conv1_3)):
            x = batch_norm(conv(x, part, stride=1 if i else 2), part.norm).relu()
    else:
        x = batch_norm(conv(x, w.stem.conv1, stride=2), w.stem.conv1.norm).relu()
    x = F.max_pool2d(x, 3, 2, padding=1)
    maps = {"stem": x}
    for i, (stride, pool, first, dilation) in enumerate(stage_plans(output_stride, form)):
        if last in maps:
            break
        for block in range(a.blocks[i]):
            x = bottleneck(x, getattr(getattr(w, f"res{i + 2}"), str(block)), a,
                           stride=1 if block else stride, pool=pool and a.avd and not block,
                           dilation=dilation if block else first)
        maps[f"res{i + 2}"] = x
    return maps
