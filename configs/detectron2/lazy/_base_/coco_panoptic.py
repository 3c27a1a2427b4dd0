"""COCO 2017 panoptic, in detectron2's separated form; images in the order of the weights."""
from detectron2 import model_zoo

dataloader = model_zoo.get_config("common/data/coco_panoptic_separated.py").dataloader
dataloader.train.mapper.image_format = "RGB"
