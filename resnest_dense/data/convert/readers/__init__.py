"""A reader for each format: ``read`` gives what is in its files."""
