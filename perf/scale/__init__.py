"""What bench-scale runs: Tritons that take a GPU's time and draw nothing, and servers before them."""
