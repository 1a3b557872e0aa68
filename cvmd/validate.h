/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a caller may ask for: pure checks, each with its own text.
 */
#ifndef CVMD_VALIDATE_H
#define CVMD_VALIDATE_H

#include "attest/util.h"

#define MACHINE_NAME_MAX 63u
#define MEMORY_MIN (64ull << 20)
#define MEMORY_MAX (1024ull << 30)
#define CMDLINE_MAX 2047u /* x86 COMMAND_LINE_SIZE without the NUL */

/* 1 to 63 of letters, digits, '.', '_', '-'; the first a letter or digit. 0 or -EINVAL. */
int validate_name(const char *name, struct cvm_error *e);
/* @bytes: whole MiB within [MEMORY_MIN, min(MEMORY_MAX, @host)]; @host in bytes. 0, -EINVAL, -ERANGE. */
int validate_memory(uint64_t bytes, uint64_t host, struct cvm_error *e);
/* 1 to CVM_MAX_CPUS. 0 or -ERANGE. */
int validate_vcpus(uint32_t n, struct cvm_error *e);
/* At most CMDLINE_MAX bytes of UTF-8 without control characters. 0, -EINVAL, -E2BIG. */
int validate_cmdline(const char *s, struct cvm_error *e);
/* The start of a kernel file (64 KiB or all of it). 0, -ENOEXEC, -EMSGSIZE, -EPROTONOSUPPORT. */
int validate_kernel(const void *head, size_t size, struct cvm_error *e);

#endif
