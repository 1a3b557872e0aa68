/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine says of itself, by instructions and ports. */
#pragma once

#include "memory/mtrr.h"
#include "start/features.h"

void features_read(struct cpu_raw *raw);	/* features_read.c: of this CPU */
void mtrr_read(struct mtrr *m);			/* mtrr_read.c: of this CPU */
u64 tsc_measure_khz(void);			/* tsc.c: against the PIT, else CPUID 15H/16H; 0 if neither works */
