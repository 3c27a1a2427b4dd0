"""Annotations of other tools as COCO files: a reader a format, one record, one writer."""
