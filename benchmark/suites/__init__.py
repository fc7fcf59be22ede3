"""Suites: a table of a paper as cells that are planned, run where they are missing, and put together."""
