/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rollback counters (cvm/counter.h): cvmd carries what the Quoter and the TPM say to each other, and keeps the leaves. What it gets
 * wrong costs a count, and the report says that there is none.
 */
#ifndef CVMD_COUNTER_H
#define CVMD_COUNTER_H

#include "attest/util.h"

struct machine;

/* @r: 0: the VM is counted, or was; else why it is not. In the event loop, once. */
typedef void (*counter_done)(void *userdata, int r);

/**
 * counter_count - count a VM, once in its life
 * @k: running, protected; need not outlive this
 *
 * Returns 0: @done will be called, or was.
 */
int counter_count(struct machine *k, counter_done done, void *userdata);

#endif
