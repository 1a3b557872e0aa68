# SPDX-License-Identifier: LGPL-2.1-or-later
"""Could any CPU still use an old translation when memory changed hands? From a trace (trace.h) alone.

A translation that is taken out of an EPT is stale on every CPU until that CPU runs INVEPT. At a hand-over no CPU may be in a
guest of that EPT's world with a stale translation, and after it none may enter one. Nothing here knows of RootVisor's counters
or flags.

And does a CPU that is sent NMIs to leave its guest get anywhere? It needs one. A second may be on the way when it has left just
before the first was sent; more of them come while it handles one after the other and does nothing else.
"""

ENTER_L1, ENTER_L2, EXIT, FLUSH, REMOVED_L1, REMOVED_L2, HANDOVER, KICK = range(8)
ROOT = None
FRESH, STALE, HANDED_OVER = range(3)
KICKS = 2
TOO_LITTLE = "the trace shows too little"


def check(trace: bytes, cpus: int) -> tuple[str | None, str]:
    """What is wrong, or None; and what the trace held."""
    where: list = [ROOT] * cpus
    stale = [[FRESH, FRESH] for _ in range(cpus)]
    kicks = [0] * cpus
    handovers = flushes = removed = tested = 0
    for at, byte in enumerate(trace):
        what, cpu = byte >> 4 & 7, byte & 15
        if cpu >= cpus:
            return f"byte {byte:#x} at {at} is no event", ""
        if what in (ENTER_L1, ENTER_L2):
            where[cpu] = what - ENTER_L1
            if stale[cpu][where[cpu]] == HANDED_OVER:
                return f"at event {at} CPU {cpu} enters L{where[cpu] + 1} and has not flushed since a hand-over", ""
        elif what == EXIT:
            where[cpu] = ROOT
            kicks[cpu] = 0
        elif what == FLUSH:
            flushes += 1
            stale[cpu] = [FRESH, FRESH]
            kicks = [0] * cpus
        elif what in (REMOVED_L1, REMOVED_L2):
            removed += 1
            for state in stale:
                state[what - REMOVED_L1] = STALE
        elif what == KICK:
            kicks[cpu] += 1
            if kicks[cpu] > KICKS:
                return f"at event {at} CPU {cpu} is sent one more NMI and has had no time to leave since the first", ""
        else:
            handovers += 1
            for other in range(cpus):
                world = where[other]
                tested += world is not ROOT
                if world is not ROOT and stale[other][world]:
                    return f"at event {at} CPU {cpu} hands over; CPU {other} is in L{world + 1} and has not flushed", ""
                stale[other] = [HANDED_OVER if state else FRESH for state in stale[other]]
    held = f"{removed} removals, {flushes} flushes, {handovers} hand-overs, {tested} with another CPU in a guest"
    if not handovers or (cpus > 1 and not tested):
        return f"{TOO_LITTLE}: {held}", held
    return None, held
