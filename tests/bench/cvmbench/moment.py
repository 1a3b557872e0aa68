# SPDX-License-Identifier: LGPL-2.1-or-later
"""What passed between two answers of `benchctl now`."""

import dataclasses

from . import reasons

CENTIS = 100    # USER_HZ


def tick_rate(before: dict, after: dict) -> float:
    """TSC ticks a second of the emulated clock."""
    seconds = (after["mono_ns"] - before["mono_ns"]) / 1e9
    return (after["tsc"] - before["tsc"]) / seconds


def _difference(before: dict, after: dict) -> dict:
    return {int(n): count - before.get(n, 0) for n, count in after.items() if count - before.get(n, 0)}


@dataclasses.dataclass
class Span:
    """An interval on the emulated host. Counts are 0 without RootVisor."""
    before: dict
    after: dict

    @property
    def ticks(self) -> int:
        return self.after["tsc"] - self.before["tsc"]

    @property
    def seconds(self) -> float:
        """Of the emulated clock."""
        return (self.after["mono_ns"] - self.before["mono_ns"]) / 1e9

    @property
    def busy_ticks(self) -> float:
        """Ticks in which the host's only CPU was not idle; to within 1/100 s."""
        idle = (self.after["idle_centis"] - self.before["idle_centis"]) / CENTIS
        return self.ticks - idle * tick_rate(self.before, self.after)

    def host(self, counter: str) -> int:
        """Of the whole CPU: the host's exits and those of all guests."""
        return self.after.get("host", {}).get(counter, 0) - self.before.get("host", {}).get(counter, 0)

    def vm(self, counter: str) -> int:
        """Of the VM that exists now, if just one does."""
        vms = self.after.get("vms", {})
        if len(vms) != 1:
            return 0
        (number, stats), = vms.items()
        return stats[counter] - self.before.get("vms", {}).get(number, {}).get(counter, 0)

    def host_reasons(self) -> list[tuple[str, int]]:
        """All exits to RootVisor by reason, most first."""
        found = _difference(self.before.get("host", {}).get("by_reason", {}),
                            self.after.get("host", {}).get("by_reason", {}))
        return [(reasons.name(n), count) for n, count in sorted(found.items(), key=lambda item: -item[1])]
