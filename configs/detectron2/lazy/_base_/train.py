"""What all experiments train with: SGD, 16 images, 1x of COCO 2017, evaluated once at the end.

detectron2's tool for LazyConfigs computes no PreciseBN, which the YAML configs have.
"""
from detectron2 import model_zoo

train = model_zoo.get_config("common/train.py").train
train.eval_period = 0

optimizer = model_zoo.get_config("common/optim.py").SGD
lr_multiplier = model_zoo.get_config("common/coco_schedule.py").lr_multiplier_1x
