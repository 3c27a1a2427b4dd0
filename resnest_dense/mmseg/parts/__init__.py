"""What configs name by its type, beside the backbone; ``registry`` says what is where."""
