/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the host's kernel into memory. */
#pragma once

#include "boot/bzimage.h"
#include "boot/multiboot2.h"
#include "vmx/vmx.h"

/* Pages of host memory for boot_params, command line, GDT and identity map; free for the host once
 * it runs on its own. */
#define LINUX_BLOCK_PAGES	10u

/*
 * mb: where kernel and initrd lie. free_map: what is RAM and not in use (modules are, too); e820: what
 * the host is told. Copies the kernel to its place and fills a block. rsdp: physical address.
 * 0, or -EINVAL / -ENOSPC with *error.
 */
int linux_load(const struct mb2_info *mb, struct memmap *free_map, const struct memmap *e820, u64 rsdp,
	       struct linux_entry *out, const char **error);

/* native.S: enters the kernel on this CPU without VMX. */
void linux_enter_native(const struct linux_entry *e) __attribute__((noreturn));
