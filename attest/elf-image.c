/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elf-image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "le.h"

int cvm_elf_parse(const void *buf, size_t size, struct cvm_elf_image *ret, struct cvm_error *e) {
    const uint8_t *p = buf;
    uint64_t phoff;
    unsigned phentsize, phnum, want;
    bool is64;

    ret->nr = 0;
    if (size < EI_NIDENT || memcmp(p, ELFMAG, SELFMAG) != 0)
        return cvm_error_set(e, -ENOEXEC, "this is no ELF file");
    if (p[EI_CLASS] != ELFCLASS32 && p[EI_CLASS] != ELFCLASS64)
        return cvm_error_set(e, -ENOEXEC, "ELF class %u is neither 32-bit nor 64-bit", p[EI_CLASS]);
    is64 = p[EI_CLASS] == ELFCLASS64;
    if (p[EI_DATA] != ELFDATA2LSB)
        return cvm_error_set(e, -ENOEXEC, "this ELF file is not little-endian");
    if (size < (is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
        return cvm_error_set(e, -EMSGSIZE, "the ELF header is cut short");
    if (le16_get(p + offsetof(Elf64_Ehdr, e_type)) != ET_EXEC)
        return cvm_error_set(e, -ENOEXEC, "this ELF file is no executable (e_type %u)",
                             le16_get(p + offsetof(Elf64_Ehdr, e_type)));
    if (le16_get(p + offsetof(Elf64_Ehdr, e_machine)) != (is64 ? EM_X86_64 : EM_386))
        return cvm_error_set(e, -ENOEXEC, "this ELF file is not for x86 (e_machine %u)",
                             le16_get(p + offsetof(Elf64_Ehdr, e_machine)));

    if (is64) {
        phoff = le64_get(p + offsetof(Elf64_Ehdr, e_phoff));
        phentsize = le16_get(p + offsetof(Elf64_Ehdr, e_phentsize));
        phnum = le16_get(p + offsetof(Elf64_Ehdr, e_phnum));
        want = sizeof(Elf64_Phdr);
    } else {
        phoff = le32_get(p + offsetof(Elf32_Ehdr, e_phoff));
        phentsize = le16_get(p + offsetof(Elf32_Ehdr, e_phentsize));
        phnum = le16_get(p + offsetof(Elf32_Ehdr, e_phnum));
        want = sizeof(Elf32_Phdr);
    }
    if (phentsize != want)
        return cvm_error_set(e, -EINVAL, "ELF program headers have %u bytes, must be %u", phentsize, want);
    if (phnum > CVM_ELF_MAX_SEGMENTS)
        return cvm_error_set(e, -E2BIG, "%u ELF program headers, at most %u are taken", phnum,
                             CVM_ELF_MAX_SEGMENTS);
    if (phoff > size || (uint64_t)phnum * want > size - phoff)
        return cvm_error_set(e, -EMSGSIZE, "the ELF program headers lie outside the file");

    for (unsigned i = 0; i < phnum; i++) {
        const uint8_t *h = p + phoff + (uint64_t)i * want;
        uint64_t offset, filesz, memsz;

        if (le32_get(h) != PT_LOAD)
            continue;
        if (is64) {
            offset = le64_get(h + offsetof(Elf64_Phdr, p_offset));
            filesz = le64_get(h + offsetof(Elf64_Phdr, p_filesz));
            memsz = le64_get(h + offsetof(Elf64_Phdr, p_memsz));
        } else {
            offset = le32_get(h + offsetof(Elf32_Phdr, p_offset));
            filesz = le32_get(h + offsetof(Elf32_Phdr, p_filesz));
            memsz = le32_get(h + offsetof(Elf32_Phdr, p_memsz));
        }
        if (filesz > memsz)
            return cvm_error_set(e, -EINVAL, "ELF segment %u has more bytes in the file than in memory", i);
        if (offset > size || filesz > size - offset)
            return cvm_error_set(e, -EMSGSIZE, "ELF segment %u lies outside the file", i);
        if (filesz == 0)
            continue;
        ret->segment[ret->nr++] = (struct cvm_elf_segment){offset, filesz};
    }
    if (ret->nr == 0)
        return cvm_error_set(e, -EINVAL, "the ELF file has no loadable segment with content");
    return 0;
}
