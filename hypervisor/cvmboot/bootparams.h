/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Linux's boot_params ("zero page", Documentation/x86/zero-page.rst). Pure. */
#ifndef CVMBOOT_BOOTPARAMS_H
#define CVMBOOT_BOOTPARAMS_H

#include <stdint.h>

#include "bzimage.h"
#include "launch.h"

#define BOOTPARAMS_SIZE		0x1000u

/*
 * bootparams_build - fills the page
 * @page: BOOTPARAMS_SIZE bytes
 * @head: the measured kernel's first BZIMAGE_HEAD bytes, @bz: the same parsed
 * @cmdline, @rsdp: guest-physical addresses
 *
 * Loader fields are written from constants and @l; nothing else than the measured header and
 * the launch table goes in.
 */
void bootparams_build(uint8_t *page, const uint8_t *head, const struct bzimage *bz,
		      const struct launch *l, uint32_t cmdline, uint32_t rsdp);

#endif
