/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Linux kernel file as the launch measurement sees it. Pure.
 */
#ifndef CVM_ATTEST_BZIMAGE_H
#define CVM_ATTEST_BZIMAGE_H

#include "util.h"

/**
 * cvm_bzimage_mask - zero the bytes of the setup header that a loader writes
 * @buf, @size: the bzImage file; changed in place (CVM_SETUP_MASK_FIELDS of boot.h)
 *
 * The whole file counts for the measurement, a signature behind the kernel included: QEMU hands all
 * of it to the guest.
 *
 * Source: Linux Documentation/x86/boot.rst, "The Real-Mode Kernel Header".
 *
 * Returns 0;
 *   -ENOEXEC   no bzImage (no "HdrS", no boot flag, or a zImage)
 *   -EMSGSIZE  shorter than its own setup part
 *   -EPROTONOSUPPORT  boot protocol older than 2.06 or setup header too short
 */
int cvm_bzimage_mask(void *buf, size_t size, struct cvm_error *e);

#endif
