"""The table of what can be wrong with a COCO panoptic set, how bad it is, and what to do.

Severities as in :mod:`resnest_dense.data.coco.kinds`, following detectron2's Panoptic FPN and the
evaluation of panopticapi.
"""

from resnest_dense.findings import Kind

__all__ = ["PANOPTIC_KINDS"]

_PAIR = "Check that JSON and PNGs come from the same export, and that it was complete."

PANOPTIC_KINDS = {
    "thing-count": Kind(
        "error", "the model has another number of thing classes than the set",
        "Set MODEL.ROI_HEADS.NUM_CLASSES to the number of categories with isthing 1."),
    "stuff-count": Kind(
        "error", "the model has another number of stuff classes than the set",
        "Set MODEL.SEM_SEG_HEAD.NUM_CLASSES to the number of categories with isthing 0, plus 1."),
    "panoptic-one-sided": Kind(
        "evaluation", "no segment of a thing or none of stuff: panopticapi divides by their number",
        "Check 'isthing' of the categories; a set without stuff needs no Panoptic FPN."),
    "panoptic-file-name": Kind(
        "error", "annotation without a file_name", "Add the name of its PNG."),
    "panoptic-image-unknown": Kind(
        "evaluation", "annotation of an image that is not in the file: evaluation stops", _PAIR),
    "panoptic-image-repeated": Kind(
        "error", "image with two annotations", "Keep one: a panoptic image has one PNG."),
    "panoptic-image-missing": Kind(
        "error", "image without an annotation: detectron2 finds no semantic labels for it",
        "Annotate the image, or remove it from the panoptic and the instance file."),
    "panoptic-stem-repeated": Kind(
        "evaluation", "images of the same name but for folder and ending: their predictions "
        "overwrite each other", "Give every image its own name."),
    "segment-id": Kind(
        "error", "segment whose id is not from 1 to 16777215 (0 is unlabelled)",
        "Number the segments as their colours: R + 256 G + 65536 B."),
    "segment-id-repeated": Kind(
        "error", "segment id used before in the same image", "Give every segment its own colour."),
    "segment-category-unknown": Kind(
        "error", "segment of a category that is not in 'categories'",
        "Add the category, or correct category_id (it is the category's 'id', not its position)."),
    "segment-crowd": Kind(
        "evaluation", "segment without iscrowd 0 or 1: the evaluation stops or misjudges it",
        "Write 0 for an object or stuff, 1 for a crowd."),
    "segment-area": Kind(
        "evaluation", "area of a segment is not its number of pixels in the PNG: the evaluation "
        "computes a wrong overlap", "Write the number of pixels of its colour."),
    "segment-unseen": Kind(
        "evaluation", "segment without a pixel in the PNG: the evaluation counts it as never found",
        _PAIR),
    "png-folder": Kind(
        "error", "the folder of panoptic PNGs does not exist", "Give the folder of the PNGs."),
    "png-missing": Kind("error", "panoptic PNG is missing", _PAIR),
    "png-unreadable": Kind("error", "panoptic PNG cannot be read", "Replace the file."),
    "png-mode": Kind(
        "error", "panoptic PNG is not RGB: its ids are the colours R + 256 G + 65536 B",
        "Save the ids as colours (panopticapi.utils.id2rgb)."),
    "png-size": Kind(
        "error", "panoptic PNG has another size than the JSON says of its image",
        "Make it from this very image, without interpolation."),
    "png-colour-unknown": Kind(
        "error", "colour in the panoptic PNG that is no segment of its image",
        _PAIR + " A PNG saved as JPEG or resized smoothly has such colours too."),
    "png-void": Kind(
        "note", "panoptic PNG without a labelled pixel", "Leave the image out, if not meant."),
    "stuff-missing": Kind(
        "error", "file of semantic labels is missing or cannot be read",
        "Leave the folder out, and the labels are derived from the panoptic PNGs."),
    "stuff-mode": Kind(
        "error",
        "semantic labels are not one channel of 8 bits: detectron2 would read them as gray",
        "Save them in mode L: 0 on things, 1, 2, ... for stuff by category id, 255 elsewhere."),
    "stuff-size": Kind(
        "error", "semantic labels have another size than the JSON says of their image",
        "Make them from this very image, without interpolation."),
    "stuff-label": Kind(
        "error", "semantic label beyond the stuff categories",
        "Write 0 on things, 1, 2, ... for stuff by category id, 255 elsewhere."),
    "instances-things": Kind(
        "error", "the instance file has other categories than the panoptic file has things",
        "Give both the same thing categories with the same ids and names."),
    "instances-images": Kind(
        "error", "image of the instance file that is not in the panoptic file: it has no semantic "
        "labels", "Remove it there, or give the instances of the same images."),
}
