"""`assay explain`: pictures of what the project does to faces."""
