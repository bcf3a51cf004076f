"""Scenarios: a YAML file in; a world, a scheme and expectations out."""

from sim.scenario.scenario import Expectation, Fault, Order, Scenario, load

__all__ = ["Expectation", "Fault", "Order", "Scenario", "load"]
