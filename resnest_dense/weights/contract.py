"""The input that weights were trained on, and its comparison with the input that they get."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resnest_dense.errors import ResNeStValueError

__all__ = ["IMAGENET", "InputContract", "check_contract"]

CHANNEL_ORDERS = ("RGB", "BGR")
# Published configs of the same weights differ by half a grey level (docs/recipes.md 1.3).
_MEAN_TOLERANCE = 1 / 255
_STD_TOLERANCE = 0.01


@dataclass(frozen=True)
class InputContract:
    """What weights expect of an image.

    Args:
        channel_order: "RGB" or "BGR".
        value_range: the largest value of a pixel before normalisation, 1 or 255.
        mean: subtracted from the channels, in channel order, in units of ``value_range``.
        std: divides the channels after that.

    Raises:
        ResNeStValueError: another channel order, or not three values of mean and std.
    """

    channel_order: str
    value_range: float
    mean: Sequence[float]
    std: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))
        if self.channel_order not in CHANNEL_ORDERS:
            raise ResNeStValueError(f"channel_order={self.channel_order!r} of an input contract: "
                                    f"use one of {CHANNEL_ORDERS}.")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise ResNeStValueError(f"mean={self.mean}, std={self.std} of an input contract: give "
                                    "three values each.")

    def scaled(self, value_range: float) -> "InputContract":
        """The same contract for pixels of another ``value_range``."""
        factor = value_range / self.value_range
        mean, std = ([round(value * factor, 6) for value in values]
                     for values in (self.mean, self.std))
        return InputContract(self.channel_order, value_range, mean, std)

    def normalise(self, image: np.ndarray) -> np.ndarray:
        """What the network gets of an image (H, W, 3), RGB, uint8: (3, H, W) in float32."""
        contract, pixels = self.scaled(1), image / 255
        if contract.channel_order == "BGR":
            pixels = pixels[:, :, ::-1]
        values = (pixels - contract.mean) / contract.std
        return values.astype(np.float32).transpose(2, 0, 1)

    def __str__(self) -> str:
        return (f"{self.channel_order}, values 0 to {self.value_range:g}, mean {list(self.mean)}, "
                f"std {list(self.std)}")


# What weights of a classifier expect of which nothing else is known.
IMAGENET = InputContract("RGB", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def check_contract(contract: InputContract, *, channel_order: str, mean: Sequence[float],
                   std: Sequence[float], value_range: float = 255, source: str = "the weights",
                   keys: tuple[str, str, str] = ("channel_order", "mean", "std")) -> None:
    """Compare what weights expect with what a config will feed them.

    Args:
        contract: what the weights expect.
        channel_order: order of the channels that the network gets, "RGB" or "BGR".
        mean: subtracted from the channels, in that order, in units of ``value_range``.
        std: divides the channels after that.
        value_range: the largest value of a pixel before normalisation, 1 or 255.
        source: what the message calls the weights.
        keys: what the config calls channel order, mean and std.

    Raises:
        ResNeStValueError: a conflict; the message names both sides and the values to set. Means
            within one grey level and deviations within 1 % are no conflict.
    """
    given = InputContract(channel_order, value_range, mean, std)
    wanted = contract.scaled(value_range)
    if (given.channel_order != wanted.channel_order
            or not np.allclose(given.mean, wanted.mean, rtol=0, atol=_MEAN_TOLERANCE * value_range)
            or not np.allclose(given.std, wanted.std, rtol=_STD_TOLERANCE, atol=0)):
        order_key, mean_key, std_key = keys
        raise ResNeStValueError(
            f"The input does not suit {source}: they expect {contract}; the config gives {given}. "
            f"Set {order_key} to {wanted.channel_order}, {mean_key} to {list(wanted.mean)} and "
            f"{std_key} to {list(wanted.std)}, or take weights that were trained on this input.")
