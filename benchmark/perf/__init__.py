"""`assay perf`: how fast each stage of the road is on this machine, beside a floor that is measured in the same run."""
