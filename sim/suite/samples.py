"""Figures and what was measured of them: a statistic of all samples of all seeds, held against a bound. Pure values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Literal

Statistic = Literal["worst", "p90", "median", "mean", "share"]


@dataclass(frozen=True)
class Figure:
    """`words` says what is measured, `bound` what is asked in `unit`, of the statistic `by`.

    `share` is of samples that are 1 (held) or 0 (not); `worst` is the largest, or with `at_least` the smallest sample.
    """

    key: str
    words: str
    bound: float
    unit: str
    by: Statistic = "worst"
    at_least: bool = False

    @property
    def asked(self) -> str:
        """The bound in words: "≤ 10 s (worst)"."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {_number(self.bound)} {self.unit}".rstrip() + f" ({self.by})"

    def measured(self, values: Sequence[float]) -> float | None:
        """The statistic; None without a sample."""
        if not values:
            return None
        match self.by:
            case "worst":
                return min(values) if self.at_least else max(values)
            case "p90":
                return percentile(values, 10 if self.at_least else 90)
            case "median":
                return median(values)
            case "mean" | "share":
                return fmean(values)

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the bound is kept. Nothing measured holds nothing."""
        found = self.measured(values)
        if found is None:
            return False
        return found >= self.bound if self.at_least else found <= self.bound


@dataclass
class Found:
    """What one run of one seed says of one requirement.

    `values` by the keys of its figures. `missed`: what should have been found and was not, `false`: what was found and is not so,
    in words. `wearer_days`: how long how many wearers were watched. `crash`: the run did not come to its end, and why.
    """

    requirement: str
    seed: int
    values: dict[str, list[float]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    wearer_days: float = 0.0
    crash: str = ""

    def is_good(self, figures: Sequence[Figure]) -> bool:
        """Whether this seed alone holds: what a seed is repeated for."""
        return not (self.crash or self.missed or self.false) and all(f.holds(self.values.get(f.key, [])) for f in figures)


@dataclass(frozen=True)
class Line:
    """A figure over all seeds."""

    figure: Figure
    values: tuple[float, ...]

    @property
    def measured(self) -> float | None:
        return self.figure.measured(self.values)

    @property
    def median(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def worst(self) -> float | None:
        if not self.values:
            return None
        return min(self.values) if self.figure.at_least else max(self.values)

    @property
    def held(self) -> bool:
        return self.figure.holds(self.values)


@dataclass
class Verdict:
    """A requirement over all seeds that were run."""

    requirement: str
    lines: list[Line]
    found: list[Found]

    @property
    def seeds(self) -> list[int]:
        return sorted(each.seed for each in self.found)

    @property
    def missed(self) -> int:
        return sum(len(each.missed) for each in self.found)

    @property
    def false(self) -> int:
        return sum(len(each.false) for each in self.found)

    @property
    def crashed(self) -> list[int]:
        return sorted(each.seed for each in self.found if each.crash)

    @property
    def wearer_days(self) -> float:
        return sum(each.wearer_days for each in self.found)

    @property
    def false_a_wearer_day(self) -> float:
        return self.false / self.wearer_days if self.wearer_days else 0.0

    @property
    def held(self) -> bool:
        """Every figure within its bound, nothing missed, nothing found that is not so, every run come to its end."""
        return bool(self.found) and not (self.missed or self.false or self.crashed) and all(line.held for line in self.lines)

    def failing(self) -> list[int]:
        """The seeds to look at when it is not held: those that do not hold alone, else the one whose samples are worst."""
        if self.held:
            return []
        figures = [line.figure for line in self.lines]
        return sorted(each.seed for each in self.found if not each.is_good(figures)) or self.seeds[:1]


def judge(requirement: str, figures: Sequence[Figure], found: Sequence[Found]) -> Verdict:
    """All seeds of a requirement together, in order of seed: the same however they came in."""
    ordered = sorted(found, key=lambda each: each.seed)
    lines = [Line(f, tuple(v for each in ordered for v in each.values.get(f.key, ()))) for f in figures]
    return Verdict(requirement, lines, ordered)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest sample that `percent` of all do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def _number(value: float) -> str:
    return f"{value:g}"
