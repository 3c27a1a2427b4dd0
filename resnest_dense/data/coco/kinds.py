"""The table of what can be wrong with a COCO-format set, how bad it is, and what to do.

Severities follow stock detectron2 (``load_coco_json``, ``DatasetMapper``, ``filter_empty``) and the
pycocotools evaluation: "error" stops them or makes them learn or measure something wrong,
"evaluation" does so in the evaluation only, "dropped" is left out of training, "note" works.
"""

from resnest_dense.findings import Kind

__all__ = ["KINDS"]

_IDS = "Give every entry its own whole number as 'id'; the other sections refer to it."
_SPLIT = "Check that the file belongs to these images, and that its export was complete."
_MASK_SOURCE = "Export the set with masks, or train a detector without a mask head."
_RLE = "Write {'size': [height, width], 'counts': ...} as pycocotools.mask.encode does."

KINDS = {
    # images
    "no-images": Kind("error", "the set has no images", _SPLIT),
    "image-id": Kind("error", "image without a usable id (a number or a text)", _IDS),
    "image-id-repeated": Kind(
        "error", "image id used before: only the last of these images is read, with the "
        "annotations of all", "Number the images anew (files merged by hand often clash)."),
    "image-ids-mixed": Kind(
        "error", "image ids are numbers and texts side by side: they cannot be sorted",
        "Use whole numbers for all, in 'images' and in 'annotations'."),
    "image-file-name": Kind(
        "error", "image without a file_name", "Add 'file_name', relative to the image folder."),
    "image-backslash": Kind(
        "error", "file_name with a backslash: no such file outside Windows",
        "Replace every \\ in 'file_name' by /."),
    "image-outside-folder": Kind(
        "note", "file_name leads out of the image folder", "Write it relative to that folder."),
    "image-file-repeated": Kind(
        "note", "file_name used before: objects of one entry are background in the other",
        "Merge the two entries, unless they are meant to be two."),
    "image-extent": Kind(
        "error", "image without a usable width or height",
        "Write the size in pixels, as whole numbers of at least 1."),
    "image-folder": Kind(
        "error", "the image folder does not exist", "Give the folder that file_name starts from."),
    "image-missing": Kind(
        "error", "image file is missing",
        "Put the file there, give the right image folder, or remove the entry."),
    "image-unreadable": Kind(
        "error", "image file cannot be read", "Replace the file, or remove its entry."),
    "image-truncated": Kind(
        "error", "image file ends too early", "Copy or download it again, or remove its entry."),
    "image-size": Kind(
        "error", "image has another size than the JSON says",
        "Use the images that were annotated; resized ones need their boxes and masks resized too."),
    "image-turned": Kind(
        "error", "detectron2 turns the image by its EXIF orientation, so width and height swap",
        "Save the images without the tag, or write width, height and boxes as seen upright."),
    "image-orientation": Kind(
        "note", "image with an EXIF orientation: detectron2 turns or flips it",
        "Make sure that it was annotated as seen upright; if not, remove the tag."),
    "image-mode": Kind(
        "note", "image is not plain RGB: detectron2 converts it",
        "Nothing for gray images; check the colours of CMYK and what transparency hides."),
    "image-depth": Kind(
        "error", "image with more than 8 bits a value: all above 255 becomes white",
        "Scale the images to 8 bits."),
    "image-empty": Kind(
        "dropped", "image without annotations",
        "Nothing; to train on them set DATALOADER.FILTER_EMPTY_ANNOTATIONS to False."),
    "image-only-crowds": Kind(
        "dropped", "image that has nothing but crowd regions or invalid polygons",
        "Nothing; to train on them set DATALOADER.FILTER_EMPTY_ANNOTATIONS to False."),
    # categories
    "no-categories": Kind(
        "error", "the set has no categories", "List the classes in 'categories'."),
    "category-id-repeated": Kind(
        "error", "category id used before: two classes share their annotations",
        "Give each category its own id, and the annotations that id."),
    "category-name-repeated": Kind(
        "note", "category name used before: the model must tell the two apart, and only one of "
        "their scores is shown", "Merge or rename them."),
    "category-ids-gap": Kind(
        "note", "category ids are not 1, 2, 3, ...: detectron2 maps them to 0, 1, 2, ... by size",
        "Nothing, if predictions are read through the same map."),
    "category-unused": Kind(
        "note", "category without annotations: nothing to learn, and no AP",
        "Remove it if it is a leftover (a parent class, a background)."),
    "class-count": Kind(
        "error", "the model has another number of classes than the set",
        "Set MODEL.ROI_HEADS.NUM_CLASSES (RetinaNet: MODEL.RETINANET.NUM_CLASSES) to the set's."),
    "class-names": Kind(
        "error", "class with another name than in the model",
        "Give both sets the same categories with the same ids."),
    # annotations
    "no-annotations": Kind("error", "the set has no annotations", _SPLIT),
    "nothing-to-train": Kind(
        "error", "no annotation is left to train on", "See what is dropped, and correct that."),
    "annotation-id": Kind("error", "annotation without a usable id (a number or a text)", _IDS),
    "annotation-id-repeated": Kind(
        "error", "annotation id used before: detectron2 refuses the file",
        "Number the annotations anew (files merged by hand often clash)."),
    "annotation-id-zero": Kind(
        "note", "annotation with id 0: the COCO evaluation counts its object as never found",
        "Number the annotations from 1."),
    "annotation-id-text": Kind(
        "evaluation", "annotation with a text as id: the COCO evaluation wants numbers",
        "Number the annotations from 1."),
    "annotation-image-id": Kind(
        "error", "annotation without a usable image_id", "Add the 'id' of its image."),
    "annotation-image-unknown": Kind(
        "dropped", "annotation of an image that is not in the file", _SPLIT),
    "annotation-category-id": Kind(
        "error", "annotation without a usable category_id", "Add the 'id' of its category."),
    "annotation-category-unknown": Kind(
        "error", "annotation of a category that is not in 'categories'",
        "Add the category, or correct category_id (it is the category's 'id', not its position)."),
    "annotation-ignored": Kind(
        "error", "annotation with 'ignore': detectron2 refuses the file",
        "Remove the annotation, or write it as a crowd region ('iscrowd': 1)."),
    "crowd": Kind(
        "dropped", "crowd region: not trained on, and neither hit nor miss in the evaluation",
        "Nothing."),
    "crowd-value": Kind(
        "error", "iscrowd is neither 0 nor 1: detectron2 takes it for a crowd and drops the object",
        "Write 0 for an object and 1 for a crowd region, as numbers."),
    "crowd-missing": Kind(
        "evaluation", "annotation without iscrowd: the COCO evaluation stops", "Add 'iscrowd': 0."),
    "crowd-polygon": Kind(
        "note", "crowd region drawn as a polygon; COCO's are run-length coded",
        "Check that it is a crowd and not one object, which would be dropped."),
    "area-missing": Kind(
        "evaluation", "annotation without an area: the COCO evaluation stops",
        "Add 'area' in square pixels: of the mask, or width x height of the box."),
    "area-not-positive": Kind(
        "note", "area is not above 0: the COCO evaluation puts the object in the wrong size group",
        "Write the area in square pixels: of the mask, or width x height of the box."),
    # boxes
    "bbox-missing": Kind(
        "error", "annotation without a bbox", "Add 'bbox': [x, y, width, height] in pixels."),
    "bbox-length": Kind(
        "error", "bbox is not a list of 4 numbers", "Write [x, y, width, height] in pixels."),
    "bbox-number": Kind(
        "error", "bbox with a value that is no finite number",
        "Write [x, y, width, height] in pixels, as numbers."),
    "bbox-negative-size": Kind(
        "error", "bbox with a negative width or height: detectron2 would learn a mirrored box",
        "Write [x, y, width, height] with the upper left corner first."),
    "bbox-normalised": Kind(
        "error", "all boxes lie between 0 and 1, as shares of the image",
        "Multiply x and width by the image's width, y and height by its height."),
    "bbox-corners": Kind(
        "error", "boxes seem to be [x1, y1, x2, y2]: so read they all fit, but not as COCO's",
        "Write [x, y, width, height]."),
    "bbox-empty": Kind(
        "dropped", "bbox without width or height; the evaluation counts it as never found",
        "Remove the annotation, or draw its box anew."),
    "bbox-outside": Kind(
        "dropped", "bbox outside the image; the evaluation counts it as never found",
        "Check the box and that the image was not cropped later."),
    "bbox-negative-corner": Kind(
        "note", "bbox begins left of or above the image: clipped at the border",
        "Clip the boxes in the file too: the evaluation measures against the whole box."),
    "bbox-clipped": Kind(
        "note", "bbox ends right of or below the image: clipped at the border",
        "Clip the boxes in the file too: the evaluation measures against the whole box."),
    # masks
    "mask-missing": Kind("error", "annotation without a segmentation", _MASK_SOURCE),
    "mask-form": Kind(
        "error", "segmentation is neither a list of polygons nor RLE",
        "Write [[x1, y1, x2, y2, ...], ...]: a list in a list even for one polygon."),
    "mask-empty": Kind("dropped", "mask without a single pixel", "Remove the annotation."),
    "polygon-invalid": Kind(
        "dropped", "polygon of fewer than 3 points, or with an odd number of values",
        "Nothing, if it is a speck; the other polygons of the object stay."),
    "polygon-none-valid": Kind(
        "dropped", "object of which no polygon has 3 points and an even number of values: the box "
        "is dropped with it", "Draw the object anew, or write its segmentation as []."),
    "polygon-first-short": Kind(
        "evaluation", "first polygon of an object has 4 values or fewer: the COCO evaluation stops",
        "Remove the polygon."),
    "polygon-number": Kind(
        "error", "polygon with a value that is no number, or millions of pixels away",
        "Write x and y in pixels."),
    "polygon-outside": Kind(
        "note", "polygon reaches out of the image", "Clip it at the border."),
    "rle-form": Kind("error", "RLE without a usable size or counts", _RLE),
    "rle-size": Kind(
        "error", "RLE of another size than its image",
        "Write 'size' as [height, width], in this order, and encode the mask at image size."),
    "rle-broken": Kind("error", "RLE that cannot be decoded", _RLE),
    "rle-as-polygon": Kind(
        "error", "object as RLE, but the config expects polygons",
        "Set INPUT.MASK_FORMAT to bitmask."),
    "bbox-mask-apart": Kind(
        "error", "bbox and mask do not touch: the mask head would learn empty masks",
        "Correct the box; pycocotools.mask.toBbox gives that of a mask."),
    "bbox-mask-differ": Kind(
        "note", "bbox and mask share less than half of their extent",
        "Check the box; pycocotools.mask.toBbox gives that of a mask."),
    # keypoints
    "keypoints-form": Kind(
        "error", "keypoints are not one flat list of finite numbers",
        "Write [x1, y1, v1, x2, y2, v2, ...]."),
    "keypoints-category": Kind(
        "error", "category with another number of keypoints than the model",
        "Set MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS to the set's."),
    "keypoints-missing": Kind(
        "error", "annotation without keypoints",
        "Add them; for an object that has none marked, three zeros for each."),
    "keypoints-length": Kind(
        "error", "keypoints of the wrong length", "Write x, y and visibility of every keypoint."),
    "keypoints-count": Kind(
        "evaluation", "annotation without num_keypoints: the COCO evaluation stops",
        "Add the number of keypoints with a visibility above 0."),
    "keypoints-visibility": Kind(
        "note", "visibility is none of 0 (not marked), 1 (hidden) and 2 (visible)",
        "Check that the values come in the order x, y, visibility."),
    "keypoints-outside": Kind(
        "dropped", "marked keypoint outside the image", "Check it; write 0, 0, 0 if unknown."),
    "keypoints-none": Kind(
        "dropped", "image without a marked keypoint",
        "Nothing; MODEL.ROI_KEYPOINT_HEAD.MIN_KEYPOINTS_PER_IMAGE sets how many it takes."),
}
