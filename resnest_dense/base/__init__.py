"""What every room stands on: nothing here knows of networks, data or frameworks."""
