"""COCO 2017 with masks; images in the channel order of the ResNeSt weights."""
from detectron2 import model_zoo

dataloader = model_zoo.get_config("common/data/coco.py").dataloader
dataloader.train.mapper.image_format = "RGB"
