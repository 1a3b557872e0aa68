/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's first program, hostboot: copied into the host's memory. RootVisor trusts nothing of it. */
#pragma once

#include "rv/boot.h"
#include "start/multiboot2.h"

enum host_kind {
	HOST_NATIVE,			/* fallback=native: without VMX, on the CPU that runs */
	HOST_ONE_CPU,			/* on RootVisor */
	HOST_SEVERAL_CPUS,
};

/*
 * Copies hostboot and its handoff block into free memory (which stays the host's own). e820: what the host is told (with several
 * CPUs less this memory);
 * free_map: RAM in which nothing lies. Panics if there is no room.
 */
struct host_entry host_prepare(const struct mb2_info *mb, struct memmap *e820, struct memmap *free_map, enum host_kind kind);
/* The same, then runs it on this CPU without VMX. */
void host_enter_native(const struct mb2_info *mb, struct memmap *e820, struct memmap *free_map)
	__attribute__((noreturn));
