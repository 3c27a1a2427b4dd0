"""The networks where other libraries look for theirs: a file a library, which alone imports it."""
