"""Stages: path in, path out, resumable. Each returns a summary of what became of its inputs."""
