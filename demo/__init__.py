"""The demos of both frameworks, and the drawn data sets that they and the tests train on."""
