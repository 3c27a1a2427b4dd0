"""When imported: configs are parsed and written fast.

mmengine reads the metafiles of all of MMSegmentation anew for each base of each config; here it
does so once in a process and those forked from it.
"""

import functools

import mmengine.config.config as config_texts
import mmengine.config.utils as config_utils
from mmengine.config import Config

import resnest_dense.mmseg  # noqa: F401
from resnest_dense.configs import find_config

config_utils.load = functools.cache(config_utils.load)
# The text of a config, of which a run writes about ten, stays as it is made, which is Python too.
config_texts.FormatCode = lambda text, **style: (text, True)

Config.fromfile(find_config("resnest50_fcn_ade20k", "mmseg"))
