# SPDX-License-Identifier: LGPL-2.1-or-later
"""One figure, its file and its line in the table."""

import dataclasses
import json
import pathlib


class BenchError(Exception):
    """A measurement could not be obtained (not: a target was missed)."""


@dataclasses.dataclass
class Figure:
    """A measured value. `baseline` is the same thing measured without the protection layer, or against
    what the value is held; `target` is a limit for the ratio where there is a baseline, else for the value."""
    name: str
    unit: str
    value: float
    baseline: float | None = None
    target: float | None = None
    at_least: bool = False      # the target is the least, not the most, that is wanted

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        got = self.value if self.ratio is None else self.ratio
        return got >= self.target if self.at_least else got <= self.target

    def json(self) -> dict:
        return {"name": self.name, "unit": self.unit, "value": rounded(self.value), "baseline": rounded(self.baseline),
                "ratio": None if self.ratio is None else round(self.ratio, 4), "target": self.target, "met": self.met}


def rounded(number: float | None) -> float | int | None:
    if number is None:
        return None
    return round(number) if abs(number) >= 1000 else round(number, 2)


def write(path: pathlib.Path, figures: list[Figure]):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"figures": [figure.json() for figure in figures]}, indent=1) + "\n")
    partial.rename(path)


def show(number: float | None) -> str:
    if number is None:
        return "-"
    number = rounded(number)
    return f"{number:,}" if isinstance(number, int) else f"{number:,.2f}"


def table(groups: list[tuple[str, list[Figure]]]) -> str:
    """All groups under one heading, columns aligned."""
    head = ("figure", "value", "baseline", "unit", "ratio", "target", "met")
    rows = []
    for _, figures in groups:
        for f in figures:
            target = "-" if f.target is None else f"{'>=' if f.at_least else '<='} {f.target:g}"
            rows.append((f.name, show(f.value), show(f.baseline), f.unit, "-" if f.ratio is None else f"{f.ratio:.3f}",
                         target, {True: "yes", False: "NO", None: "-"}[f.met]))
    widths = [max([len(head[i])] + [len(row[i]) for row in rows]) for i in range(len(head))]
    right = {1, 2, 4}

    def line(cells):
        return "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths))).rstrip()

    out, at = [line(head)], 0
    for title, figures in groups:
        out.append(f"-- {title}")
        out += [line(row) for row in rows[at:at + len(figures)]]
        at += len(figures)
    return "\n".join(out)
