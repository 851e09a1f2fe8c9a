"""What a benchmark is: rounds of samples, ours and others' in turn, and ratios taken pair by pair.

The figures of a shared machine drift by a third from one minute to the next. Two samples that follow each
other drift together, so what is reported is the median of the ratios of such pairs. A sample that other
processes disturbed is taken again.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Sampler = Callable[[], Mapping[str, float]]
"""Measures once: unit -> figure, such as {"s": 0.05, "MiB": 25.1}."""

DISTURBED = 0.12
"""The share of one processor that other processes may use while a sample is taken."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A peer that cannot be measured here, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """A comparison of ours with others.

    Args:
        name: for the option `--only`.
        title: for people.
        ours: measures ours.
        others: name of a peer -> what measures it.
        targets: (unit, peer) -> what the ratio should be, in words.
        rounds: how many, whatever the command line says; None: as it says.
    """

    name: str
    title: str
    ours: Sampler
    others: Mapping[str, Sampler | Missing]
    targets: Mapping[tuple[str, str], str]
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: one figure of a row against one peer.

    Args:
        title: of the row.
        unit: of the figures.
        peer: whom ours was compared with.
        ours, theirs: medians.
        ratios: ours ÷ theirs, pair by pair.
        target: in words; "" where there is none.
        missing: why there are no figures; "" where there are.
    """

    title: str
    unit: str
    peer: str
    ours: float = 0.0
    theirs: float = 0.0
    ratios: tuple[float, ...] = ()
    target: str = ""
    missing: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as the table shows it."""
        if self.missing:
            return self.title, self.unit, "", f"{self.peer}: {self.missing}", "", "", self.target
        spread = f"{min(self.ratios):.3g}–{max(self.ratios):.3g}"
        median = f"**{statistics.median(self.ratios):.3g}**"
        return (
            self.title,
            self.unit,
            _shown(self.ours),
            f"{self.peer} {_shown(self.theirs)}",
            median,
            spread,
            self.target,
        )


HEAD = ("what", "unit", "ours", "compared with", "ratio", "from–to", "target")


@dataclass(slots=True)
class Rounds:
    """How samples are taken.

    Args:
        count: rounds for each row that does not say its own.
        retries: how often a disturbed sample is taken again.
        is_small: rows are cut down to one round.
    """

    count: int
    retries: int
    is_small: bool
    disturbed: int = 0
    """How many samples stayed disturbed."""
    taken: int = 0
    """How many samples there are."""

    def measure(self, row: Row) -> Iterator[Line]:
        """Yield the lines of a row."""
        samplers: dict[str, Sampler | Missing] = {"": row.ours, **row.others}
        samples: dict[str, list[Mapping[str, float]]] = {name: [] for name in samplers}
        for number in range(1 if self.is_small else row.rounds or self.count):
            # Who comes second finds the caches warm: the order changes from round to round.
            for name in list(samplers) if number % 2 == 0 else reversed(list(samplers)):
                sampler = samplers[name]
                if isinstance(sampler, Missing) or (not name and self._is_alone(samplers)):
                    continue
                try:
                    samples[name].append(self._sample(sampler))
                except (OSError, ValueError, subprocess.SubprocessError) as error:
                    if self.is_small or not name:
                        raise
                    samplers[name] = Missing(f"failed ({error})")
        for name in row.others:
            other = samplers[name]
            if isinstance(other, Missing):
                yield Line(row.title, "", name, missing=other.why)
            else:
                yield from _lines(row, name, samples[""], samples[name])

    def _is_alone(self, samplers: Mapping[str, Sampler | Missing]) -> bool:
        return all(isinstance(sampler, Missing) for name, sampler in samplers.items() if name)

    def _sample(self, sampler: Sampler) -> Mapping[str, float]:
        self.taken += 1
        figures, foreign = _watched(sampler)
        for _ in range(self.retries):
            if foreign < DISTURBED:
                break
            figures, foreign = _watched(sampler)
        self.disturbed += foreign >= DISTURBED
        return figures


def _watched(sampler: Sampler) -> tuple[Mapping[str, float], float]:
    """Return the figures of a sample, and the share of a processor that other processes used meanwhile."""
    busy, own, began = _busy(), _own(), time.perf_counter()
    figures = sampler()
    passed = time.perf_counter() - began
    return figures, (_busy() - busy - (_own() - own)) / passed


def _lines(
    row: Row, peer: str, ours: list[Mapping[str, float]], theirs: list[Mapping[str, float]]
) -> Iterator[Line]:
    for unit in ours[0]:
        pairs = [(one[unit], other[unit]) for one, other in zip(ours, theirs, strict=True) if unit in other]
        if not pairs:
            continue
        one, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        # A figure below what can be measured is no divisor.
        ratios = tuple(mine / yours if yours > 0 else float("nan") for mine, yours in pairs)
        yield Line(row.title, unit, peer, one, other, ratios, row.targets.get((unit, peer), ""))


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def _busy() -> float:
    """Return seconds that all processors together have worked since the machine started."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    idle = int(fields[3]) + int(fields[4])
    return (sum(map(int, fields)) - idle) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Return the seconds of this process and of the children that have ended."""
    return sum(os.times()[:4])
