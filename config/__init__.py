"""What a run is told: typed schemas, the loader, the registry, and the YAML files themselves."""
