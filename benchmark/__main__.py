"""`python -m benchmark` is `assay`."""

from benchmark.cli import main

main()
