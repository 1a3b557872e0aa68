/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loadable segments of an ELF file, as far as measuring RootVisor needs them.
 * Pure: no I/O, no allocation; untrusted bytes in, bounded ranges out.
 */
#ifndef CVM_ATTEST_ELF_IMAGE_H
#define CVM_ATTEST_ELF_IMAGE_H

#include "util.h"

#define CVM_ELF_MAX_SEGMENTS 32

/* File range of one PT_LOAD segment: offset + size <= size of the file. */
struct cvm_elf_segment {
    uint64_t offset;
    uint64_t size;
};

struct cvm_elf_image {
    unsigned nr;
    struct cvm_elf_segment segment[CVM_ELF_MAX_SEGMENTS];
};

/**
 * cvm_elf_parse - find the loadable segments
 * @buf, @size: the file
 * @ret:        segments with file bytes, in program header order
 *
 * Takes little-endian ELF32 (EM_386) and ELF64 (EM_X86_64) executables, ELF specification 4.1 "ELF
 * header" and "Program header".
 *
 * Returns 0;
 *   -ENOEXEC  no such ELF file
 *   -EMSGSIZE a header or segment lies outside the file
 *   -EINVAL   headers that contradict themselves, no loadable segment
 *   -E2BIG    more than CVM_ELF_MAX_SEGMENTS program headers
 */
int cvm_elf_parse(const void *buf, size_t size, struct cvm_elf_image *ret, struct cvm_error *e);

#endif
