"""Pure-Python form of the text config of this name."""

globals().update(__import__("resnest_dense.mmseg.pure", fromlist="pure").read_config(__file__))
