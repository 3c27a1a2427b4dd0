"""What mmengine imports when a config names a part of the scope ``resnest_dense``, such as
``type="resnest_dense.ResNeSt"``: the scope itself is in :mod:`resnest_dense.mmseg.registry`."""

import sys

from resnest_dense.errors import ResNeStError

if "resnest_dense.mmseg" not in sys.modules:
    # Registered half way through the building of a model, our parts would be without the patches
    # that loading and mmcv-lite need from the start.
    raise ResNeStError(
        "A type of the scope resnest_dense is named, and nothing has registered it. Add this line "
        'to the config: custom_imports = dict(imports=["resnest_dense.mmseg"], '
        "allow_failed_imports=False)")
