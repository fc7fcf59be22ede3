"""A ranking of runs over data sets, and the submission from which another person can check it."""
