"""A page and a JSON service on an exported model."""
