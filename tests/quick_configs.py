"""When imported: configs are parsed and written fast, and data sets are made fast.

mmengine looks for all installed packages and reads the metafiles of all of MMSegmentation anew for
each base of each config; here it does so once in a process and those forked from it.
"""

import functools
import types

import mmengine.config.config as config_texts
import mmengine.config.utils as config_utils
import mmengine.dataset.base_dataset as data_sets
from mmengine.config import Config

import resnest_dense.mmseg  # noqa: F401
from resnest_dense.configs import find_config

config_texts.is_installed = functools.cache(config_texts.is_installed)
config_utils.load = functools.cache(config_utils.load)
# The text of a config, of which a run writes about ten, stays as it is made, which is Python too.
config_texts.FormatCode = lambda text, **style: (text, True)
# All that was ever made in the process is looked through for garbage, for each data set.
data_sets.gc = types.SimpleNamespace(collect=lambda: None)

Config.fromfile(find_config("resnest50_fcn_ade20k", "mmseg"))
