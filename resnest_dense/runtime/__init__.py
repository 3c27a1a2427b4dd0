"""Exported models, run with onnxruntime or OpenVINO, numpy and Pillow alone."""
