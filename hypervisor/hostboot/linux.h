/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the host's kernel into memory and enters it. */
#pragma once

#include "hostboot/handoff.h"

/* Pages of host memory for boot_params, command line, GDT and identity map; free for the host once
 * it runs on its own. */
#define LINUX_BLOCK_PAGES	10u

/* How the kernel starts, in long mode (Documentation/x86/boot.rst, 64-bit entry). entry.S knows the layout. */
struct linux_entry {
	u64 rip;
	u64 rsi;			/* boot_params */
	u64 cr3;			/* identity map */
	u64 gdt;			/* with __BOOT_CS 10h and __BOOT_DS 18h */
	u32 gdt_limit;
};

/*
 * Copies the kernel of h to its place in h->free and fills a block there. rsdp: physical address, 0 if unknown.
 * 0, or -EINVAL / -ENOSPC with *error.
 */
int linux_load(struct host_handoff *h, u64 rsdp, struct linux_entry *out, const char **error);

/* entry.S */
void linux_enter(const struct linux_entry *e) __attribute__((noreturn));
