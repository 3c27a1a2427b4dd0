"""What is done with a config: train, test, predict, look at; the tools and commands call it."""
