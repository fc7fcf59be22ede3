"""Reconstructions of faces, which FIA-USA blends with the faces themselves: by an autoencoder, by super-resolution."""
