"""Figures from scores and samples, made to be read and printed."""
