"""The published JSON schema of scenario files (`scenario.schema.json`); `python -m sim.schema` writes it from the models."""
