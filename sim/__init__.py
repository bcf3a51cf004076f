"""Simulated wearers. `world` is plain functions of time and seed, `silicon` stands in for MicroPython's hardware modules,
`engine` owns virtual time and the device processes, `scenarios` are YAML."""
