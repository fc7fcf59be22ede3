"""The command line, and what a leaderboard run is: preprocess, train, evaluate, table, report."""
