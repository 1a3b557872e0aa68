/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVMBOOT_KEY_WAIT_H
#define CVMBOOT_KEY_WAIT_H

#include "bzimage.h"
#include "launch.h"

/*
 * key_deliver - stage 2: if the measured command line wants a key, waits for it and puts it behind the initrd
 *
 * Grows @l->initrd_size. Stops the VM if the wish is malformed, there is no room or no initrd, or no key
 * comes in time.
 */
void key_deliver(struct launch *l, const struct bzimage *bz, uint64_t tsc_khz);

#endif
