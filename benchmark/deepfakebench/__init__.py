"""What a detector file of DeepfakeBench finds when it is given as a plugin: modules by the names that it imports."""
