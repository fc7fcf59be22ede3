"""The embedded demo: synthetic portraits, made into real and forged video files."""
