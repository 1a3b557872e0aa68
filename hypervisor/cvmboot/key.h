/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk key for a stock kernel: the measured command line asks for it, the tenant releases it to the
 * Guardian, and the kernel finds it as one more cpio archive behind its initrd, in private memory. Pure.
 */
#ifndef CVMBOOT_KEY_H
#define CVMBOOT_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "bzimage.h"
#include "cvm/key.h"
#include "launch.h"
#include "reason.h"

#define KEY_WAIT_DEFAULT	300u	/* seconds */
#define KEY_WAIT_MAX		86400u
#define KEY_ARCHIVE_MAX		1024u	/* bytes, with what aligns it */

/* On the command line: "cvm.key=required", and perhaps "cvm.key.wait=SECONDS" (1 to KEY_WAIT_MAX). */
struct key_wish {
	bool required;
	uint32_t wait;		/* seconds */
};

/*
 * key_parse - what the command line says of a key
 * @cmdline: @size bytes, not NUL-terminated
 *
 * Returns R_OK, or R_BAD_KEY_OPTION for "cvm.key" with another value: a misspelt demand must not be none.
 */
enum reason key_parse(const uint8_t *cmdline, uint32_t size, struct key_wish *wish);

/*
 * key_check_place - may KEY_ARCHIVE_MAX bytes follow the initrd?
 *
 * The host chose where components lie. Returns R_OK, R_KEY_NO_INITRD or R_BAD_LAUNCH_TABLE.
 */
enum reason key_check_place(const struct launch *l, const struct bzimage *bz);

/*
 * key_archive - writes the archive: directory /cvm (0700), file /cvm/disk.key (0400, root)
 * @out: what follows the initrd, KEY_ARCHIVE_MAX bytes
 * @before: bytes of the initrd: zeros come first that bring the archive to a multiple of 4
 * @key: `size` is 1 to CVM_KEY_MAX
 *
 * Returns the bytes written.
 */
uint32_t key_archive(uint8_t *out, uint32_t before, const struct cvm_key *key);

#endif
