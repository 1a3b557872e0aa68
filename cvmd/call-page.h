/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page in which RootVisor reads and writes what goes with a host call. */
#pragma once

#include <stdint.h>

#define CALL_PAGE_SIZE 4096u

/*
 * A page of zeros that is locked in memory and that no child of this process gets: a fork would make it copy-on-write, and
 * RootVisor, which walks the page tables but faults nothing in, would refuse the next call. A child has no business
 * with its contents either. 0, or -errno. call_page_free() wipes it; NULL is allowed there.
 */
int call_page_new(uint8_t **ret);
void call_page_free(uint8_t *page);
