"""What the command line says of conversions, without their code."""

__all__ = ["FORMATS", "SHARE"]

FORMATS = {"voc": "Pascal VOC", "yolo": "YOLO", "labelme": "LabelMe", "cvat": "CVAT for images",
           "via": "VGG Image Annotator", "coco": "COCO"}
SHARE = 0.8  # of the images that are trained on, where the source has no splits
