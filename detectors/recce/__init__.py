"""RECCE (Cao et al., CVPR 2022): its network, the graph that joins its two halves, and its losses."""
