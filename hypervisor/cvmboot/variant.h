/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between cvmboot.rom and cvmboot-unprotected.rom: who takes the guest over
 * and who tells stage 2 what was loaded. Chosen at link time: *-rootvisor.c or *-none.c.
 */
#ifndef CVMBOOT_VARIANT_H
#define CVMBOOT_VARIANT_H

#include <stdbool.h>

#include "cvm/boot.h"
#include "cvm/key.h"
#include "reason.h"

/* Stage 1, before anything is loaded: stops the VM if there is nobody to protect it. */
void variant_probe(void);

/* Stage 1: has KVM say, in the page at CVM_EOI_GPA, which EOIs need not reach it. */
void variant_eoi(void);

/* Further vCPUs start in stage 1 and wait in stage 2; else they stay as they are, for the kernel's SIPI. */
extern const bool variant_takes_others;

/* Stage 1: goes on in stage 2. @p: page-contained, 8-aligned. */
_Noreturn void variant_protect(const struct cvm_protect *p);

/* Stage 2: fills @t (page-contained, 8-aligned) or stops the VM. */
void variant_launch_info(struct cvm_launch_table *t);

/* Stage 2: takes the key if it is there. @key: page-contained, 8-aligned. Stops the VM on an error. */
bool variant_key_get(struct cvm_key *key);

/* Both stages: tells RootVisor why the VM stops. Returns if nobody stopped it. */
void variant_stop(enum reason r);

/* Stage 2: what the serial line says of the guest. */
extern const char variant_name[];

#endif
