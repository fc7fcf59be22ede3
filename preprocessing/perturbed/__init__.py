"""Crops of perturbed video frames: made once, stored beside the clean crops, and read from there."""
