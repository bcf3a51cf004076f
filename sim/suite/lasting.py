"""How long cells last, by the energy model: samples that know no seed, from `sim.engine.endurance`."""

from sim.engine import endurance
from sim.world.energy import TAG


def tag() -> dict[str, list[float]]:
    """Hours in the open at a fix a minute, days of a wearer at home 14 hours a day."""
    return {"open": [endurance.tag_hours_open_sky_60s().value], "home": [endurance.tag_days_home_14h().value]}


def charging() -> dict[str, list[float]]:
    """Hours on the charger that make up for a day of a wearer at home 14 hours, at the charger's full current."""
    found = endurance.tag_days_home_14h()
    return {"hours": [24 * sum(found.mean_ma.values()) / TAG.charge_ma]}


def home_unit() -> dict[str, list[float]]:
    """Hours of a home unit without mains."""
    return {"hours": [endurance.hmu_hours_on_battery().value]}
