"""Several processes that train together: who started them, what they agree on, who is lost."""
