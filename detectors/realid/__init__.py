"""RealID (IJCAI 2025): prototypes of what real faces are like, and two decisions that do not share one probability."""
