"""FIA-USA (NeurIPS 2025): its network, whose fine map is made to tell forged regions from the rest of a face."""
