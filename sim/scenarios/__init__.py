"""Scenario files (YAML): a world, its people, what fails, and what must be found. `sim.scenario` loads them."""
