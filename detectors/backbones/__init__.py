"""Networks that turn an image into a feature map, and pool and classify it."""
