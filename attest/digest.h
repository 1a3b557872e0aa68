/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-384 and the digests that a report names, computed from bytes.
 */
#ifndef CVM_ATTEST_DIGEST_H
#define CVM_ATTEST_DIGEST_H

#include "cvm/guardian.h"
#include "cvm/report.h"
#include "util.h"

/* Files larger than this are refused before they are read (bytes). */
#define CVM_KERNEL_FILE_MAX (256u << 20)
#define CVM_INITRD_FILE_MAX (2047u << 20)
#define CVM_IMAGE_FILE_MAX (64u << 20)
#define CVM_CMDLINE_MAX 65535u

/**
 * cvm_sha384 - digest of one range
 * @out: CVM_DIGEST_SIZE bytes
 *
 * Returns 0, -ENOMEM, or -EIO if libcrypto refuses.
 */
int cvm_sha384(const void *p, size_t size, uint8_t *out);

/**
 * cvm_launch_digest - launch measurement of a component list (cvm/report.h)
 * @m, @nr: the components in order, kinds and sizes included
 * @out:    CVM_DIGEST_SIZE bytes
 */
int cvm_launch_digest(const struct cvm_measured *m, unsigned nr, uint8_t *out);

/**
 * cvm_measure_kernel, cvm_measure_bytes, cvm_measure_firmware - one component from its bytes
 * @buf, @size: the file; measure_kernel zeroes the loader-written header fields in it
 * @ret:        kind, size and digest as PROTECT measures them
 *
 * Returns 0 or a negative errno: those of cvm_bzimage_mask(), cvm_rom_parse(), cvm_sha384();
 * -ENODATA for an empty initrd or command line (such a component does not exist).
 */
int cvm_measure_kernel(void *buf, size_t size, struct cvm_measured *ret, struct cvm_error *e);
int cvm_measure_bytes(uint32_t kind, const void *buf, size_t size, struct cvm_measured *ret,
                      struct cvm_error *e);
int cvm_measure_firmware(const void *rom, size_t size, struct cvm_measured *ret, struct cvm_error *e);

/**
 * cvm_measure_vcpus - the record behind the components that says how many vCPUs a VM has
 * @n:        0 or 1: there is none
 * @m, @nr:   the list, with room for one more
 *
 * Returns 0; -ERANGE if it is more than CVM_MAX_CPUS; those of cvm_sha384().
 */
int cvm_measure_vcpus(unsigned n, struct cvm_measured *m, unsigned *nr, struct cvm_error *e);

/**
 * cvm_rootvisor_digest - SHA-384 over the file bytes of the PT_LOAD segments, in order
 * @buf, @size: the ELF file
 */
int cvm_rootvisor_digest(const void *buf, size_t size, uint8_t *out, struct cvm_error *e);

/**
 * cvm_guardian_digest - SHA-384 over guardian.bin
 * @svn: security version number in its header
 *
 * Returns -ENOEXEC if it has no Guardian header, -EMSGSIZE if the header names another size.
 */
int cvm_guardian_digest(const void *buf, size_t size, uint8_t *out, uint32_t *svn, struct cvm_error *e);

#endif
