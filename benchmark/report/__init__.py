"""The report of any set of runs: what was found of them, its sections, and the one HTML file that holds them."""
