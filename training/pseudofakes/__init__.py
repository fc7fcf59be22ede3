"""Fake faces that training makes out of real ones: masks, their blur, and what is blended."""
