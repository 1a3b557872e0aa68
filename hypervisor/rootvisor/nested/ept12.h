/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walk of the EPT that L1 made for a guest. Pure: reads entries through a callback. */
#pragma once

#include "rv/types.h"

enum ept12_status {
	EPT12_OK,
	EPT12_NOT_PRESENT,
	EPT12_MISCONFIG,	/* SDM vol. 3, 29.3.3.1; KVM marks MMIO so */
	EPT12_BAD_TABLE,	/* a table page that is not the host's memory */
	EPT12_BAD_POINTER,	/* EPTP12 or address out of what is offered */
};

struct ept12_leaf {
	u64 pfn;		/* 4 KiB frame that holds gpa */
	u64 perms;		/* EPT_R | EPT_W | EPT_X, anded over the walk */
	u64 memtype;		/* bits 5:3 (and IPAT) of the leaf */
	u32 level;		/* 1 = 4 KiB, 2 = 2 MiB */
	u64 base_pfn;		/* of the leaf's page */
};

/* Reads the entry at physical address pa. False: not host memory. */
typedef bool (*ept12_read_fn)(u64 pa, u64 *entry);

/* gpa < 2^48. At most four reads. perms are valid with NOT_PRESENT too (0). */
enum ept12_status ept12_walk(u64 eptp, u64 gpa, ept12_read_fn read, struct ept12_leaf *leaf);
/* WB, four levels, no A/D, address in range. */
bool ept12_pointer_valid(u64 eptp);
/* ept12_walk over host frames (shadow.c). */
enum ept12_status ept12_lookup(u64 eptp, u64 gpa, struct ept12_leaf *leaf);
