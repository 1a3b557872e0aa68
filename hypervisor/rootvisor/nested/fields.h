/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fields that a VMCS12 has: this table is the whitelist of what enters VMCS02. Pure. */
#pragma once

#include "rv/types.h"

enum field_class {
	FIELD_CONTROL,		/* in f[], merged into VMCS02 at entry */
	FIELD_ENTRY,		/* in f[], copied at every entry (event injection) */
	FIELD_GUEST,		/* in VMCS02 of an ordinary guest */
	FIELD_HOST,		/* in f[], L1's state after an exit */
	FIELD_EXIT,		/* in f[], read-only to L1 */
};

struct field {
	u16 encoding;
	u16 class;
};

#define NR_FIELDS	125u
#define FIELD_NONE	0xffffffffu

extern const struct field fields[NR_FIELDS];

void fields_init(void);			/* builds the lookup table; once */
/* Index of a field, FIELD_NONE if VMCS12 has none of that encoding (bit 0, access type, ignored). */
u32 field_lookup(u64 encoding);

/* Where a VMCS12 keeps a field, and a constant if the encoding is one: width (14:13), type (11:10), low five bits
 * of the index (9:1). The fields in use have an index below 32. */
#define NR_FIELD_SLOTS	512u
static inline u32 field_slot(u32 e)
{
	return (((e >> 13) & 3) << 7) | (((e >> 10) & 3) << 5) | ((e >> 1) & 31);
}
