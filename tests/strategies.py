"""What the property tests draw, and how much of it: `make soak` sets RESNEST_DENSE_SOAK, the number
of examples for each one that `make test` tries."""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from resnest_dense.architectures import GATES, SPATIALS

TIMES = int(os.environ.get("RESNEST_DENSE_SOAK", "1"))


def tries(count):
    """The settings of a test that draws ``count`` examples, the same ones each time, or with
    RESNEST_DENSE_SOAK so many times as many, new ones each time. What fails is not made smaller,
    which takes minutes for networks."""
    return settings(max_examples=count * TIMES, derandomize=TIMES == 1, deadline=None,
                    database=None, print_blob=True, phases=[Phase.explicit, Phase.generate],
                    suppress_health_check=[*HealthCheck])


def either(*strategies):
    """One of the strategies, each as often as the others, however many it is made of itself."""
    return st.sampled_from(strategies).flatmap(lambda one: one)


def architectures(**fixed):
    """Fields of an Architecture, each of which could be; not all go together."""
    few = st.integers(1, 4)
    fields = dict(
        blocks=st.tuples(*[st.integers(1, 2)] * 4), stem_width=st.integers(1, 9), radix=few,
        cardinality=few, bottleneck_width=st.sampled_from((1, 2, 3, 4, 6, 8, 12, 16)),
        avd_first=st.booleans(), avd=st.booleans(), avg_down=st.booleans(),
        deep_stem=st.booleans(), stride_in_1x1=st.booleans(),
        spatial=st.sampled_from((*SPATIALS, "split")), gate=st.sampled_from(("", *GATES)))
    return st.fixed_dictionaries({**fields, **fixed})


# Values of which few fit where they are put.
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.sampled_from((0, 1, 2, 8, 16, 32, 64, 2**40)),
    st.floats(), st.sampled_from((1.0, 2.0, 2.5, 8.0, 32.0)), st.text(max_size=4),
    st.sampled_from(("True", "false", "2", "BN", "GN", "res5", "official", "resnest14", "")),
    st.lists(st.one_of(st.booleans(), st.integers(-1, 5), st.text(max_size=3)), max_size=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))


@st.composite
def damage(draw, content):
    """``content``, bytes, with some of them changed, cut off, put in or doubled."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        # Heads and ends of files are where most of their form is.
        place = draw(st.one_of(st.integers(0, max(len(data) - 1, 0)), st.integers(0, 99),
                               st.integers(1, 99).map(lambda back: max(len(data) - back, 0))))
        how = draw(st.sampled_from(("flip", "set", "cut", "out", "in", "double")))
        length = draw(st.integers(1, 40))
        if how == "flip" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif how == "set" and place < len(data):
            data[place] = draw(st.integers(0, 255))
        elif how == "cut":
            del data[place:]
        elif how == "out":
            del data[place:place + length]
        elif how == "in":
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif how == "double":
            data[place:place] = data[place:place + length]
    return bytes(data)
