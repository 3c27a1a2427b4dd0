"""When imported: configs are parsed and written fast.

mmengine reads the metafiles of all of MMSegmentation anew for each base of each config, and sets
the text of a config anew for each checkpoint; here it does so once in a process and those forked
from it.
"""

import functools

import mmengine.config.config as config_texts
import mmengine.config.utils as config_utils
from mmengine.config import Config

import resnest_dense.mmseg  # noqa: F401
from resnest_dense.configs import find_config

config_utils.load = functools.cache(config_utils.load)


def _set_once(text, style_config, *, known={}, set_anew=config_texts.FormatCode):  # noqa: B006
    if text not in known:
        known[text] = set_anew(text, style_config=style_config)
    return known[text]


config_texts.FormatCode = _set_once
Config.fromfile(find_config("resnest50_fcn_ade20k", "mmseg"))
