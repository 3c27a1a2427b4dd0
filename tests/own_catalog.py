"""A user's own catalog of weights."""

import json


def write_catalog(path, monkeypatch, entries):
    """Makes ``path`` the catalog beside the published one; its entries expect another input than
    published weights, are by "ours" and have a top-1 of 70.5."""
    contract = {"channel_order": "RGB", "value_range": 1, "mean": [0.5, 0.4, 0.3],
                "std": [0.2, 0.2, 0.2]}
    metrics = {"top1": 70.5, "crop": 224}
    family = {"title": "ours", "layout": "detectron2", "contract": "own", "dataset": "imagenet",
              "addresses": [],
              "entries": {name: {"metrics": metrics, **entry} for name, entry in entries.items()}}
    path.write_text(json.dumps({"contracts": {"own": contract}, "addresses": {},
                                "families": [family]}))
    monkeypatch.setenv("RESNEST_DENSE_CATALOG", str(path))
