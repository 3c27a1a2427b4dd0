"""RetinaNet on a ResNeSt-50: SyncBN in backbone and pyramid, none in the head that levels share."""
from detectron2 import model_zoo

from .parts import use_resnest50

model = model_zoo.get_config("common/models/retinanet.py").model
use_resnest50(model)
