"""A trained detector on images: opened from a config and a checkpoint, run, written, analysed."""
