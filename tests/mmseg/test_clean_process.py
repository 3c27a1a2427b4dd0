"""What only shows in a fresh interpreter: import order, and the stand-in beside a full mmcv."""

import textwrap

import pytest
from forks import run_forked

CASES = {
    "mmseg first": "import mmseg; import resnest_dense.mmseg; import mmseg.models",
    "a failed mmseg.models first": """
        try:
            import mmseg.models
        except ImportError:
            pass
        import resnest_dense.mmseg, mmseg.models""",
    "detectron2 first": "import detectron2, resnest_dense.d2, resnest_dense.mmseg, mmseg.models",
    "ours first, no detectron2": """
        import sys
        sys.modules["detectron2"] = None
        import resnest_dense.mmseg, mmseg.models""",
    "full mmcv": """
        import mmcv, pathlib, tempfile
        folder = tempfile.mkdtemp()
        pathlib.Path(folder, "_ext.py").write_text("def __getattr__(name): return name.upper()")
        mmcv.__path__.append(folder)
        import resnest_dense.mmseg, mmseg.models
        import mmcv._ext
        assert mmcv._ext.nms == "NMS"
        assert "mmcv._ext" not in [p.name for p in resnest_dense.mmseg.patches.PATCHES]""",
    "neither mmseg nor mmcv": """
        import sys
        sys.modules["mmseg"] = sys.modules["mmcv"] = None
        import resnest_dense.mmseg""",
    "forgotten, and added as the error says": """
        import importlib
        from mmengine.registry import MODELS
        try:
            MODELS.build(dict(type="resnest_dense.ResNeSt", architecture="resnest14"))
        except Exception as error:
            exec(str(error).partition("to the config: ")[2])
        assert [importlib.import_module(name) for name in custom_imports["imports"]]""",
}
BUILD = """
from mmengine.registry import MODELS
assert MODELS.build(dict(type="resnest_dense.ResNeSt", architecture="resnest14"))
"""


@pytest.fixture(scope="module")
def failures():
    return run_forked({name: textwrap.dedent(code) + BUILD for name, code in CASES.items()})


@pytest.mark.parametrize("case", CASES)
def test_any_order_of_imports(case, failures):
    assert failures[case] == ""
