"""From a detector and a manifest to scores, and from scores to metrics, tables and plots."""
