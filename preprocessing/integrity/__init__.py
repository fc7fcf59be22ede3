"""Whether a data set on disk is whole: counts, splits, unreadable files, copies, and what gives the classes away."""
