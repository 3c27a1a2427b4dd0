"""Images and videos that a user names."""

import pytest

from resnest_dense import ResNeStError
from resnest_dense.data import media


def test_a_missing_opencv_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(media, "cv2", None)
    with pytest.raises(ResNeStError, match="pip install opencv-python"):
        media.annotate_video(tmp_path / "street.mp4", tmp_path, lambda frame: (frame, None))
