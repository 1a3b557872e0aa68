/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's first program, hostboot: RootVisor copies it into the host's memory and trusts nothing of it. */
#pragma once

#include "boot/multiboot2.h"
#include "vmx/vmx.h"

/*
 * Copies hostboot and its handoff block into free memory (which stays the host's own). e820: what the host is told (with several
 * CPUs less this memory);
 * free_map: RAM in which nothing lies. Panics if there is no room.
 */
struct host_entry host_prepare(const struct mb2_info *mb, struct memmap *e820, struct memmap *free_map,
			       bool protected);
/* The same, then runs it on this CPU without VMX. */
void host_enter_native(const struct mb2_info *mb, struct memmap *e820, struct memmap *free_map)
	__attribute__((noreturn));
