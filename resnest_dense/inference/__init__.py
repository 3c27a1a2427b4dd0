"""What makes a network fast once it is trained: norms folded, shorter convolutions, compilers."""
