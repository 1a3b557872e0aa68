/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "bzimage.h"
#include "elf-image.h"
#include "le.h"
#include "report.h"
#include "rom-image.h"

CVM_DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

struct range {
    const void *p;
    size_t size;
};

static int sha384_ranges(const struct range *r, size_t nr, uint8_t *out) {
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned len = 0;

    if (!ctx)
        return -ENOMEM;
    if (EVP_DigestInit_ex(ctx, EVP_sha384(), NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < nr; i++)
        if (EVP_DigestUpdate(ctx, r[i].p, r[i].size) != 1)
            return -EIO;
    if (EVP_DigestFinal_ex(ctx, out, &len) != 1 || len != CVM_DIGEST_SIZE)
        return -EIO;
    return 0;
}

int cvm_sha384(const void *p, size_t size, uint8_t *out) {
    return sha384_ranges(&(struct range){p, size}, 1, out);
}

/* cvm/report.h: over the digests of its chunks. */
static int component_digest(const uint8_t *p, size_t size, uint8_t *out) {
    _cleanup_cvm_free_ uint8_t *list = NULL;
    size_t nr = (size + CVM_MEASURE_CHUNK - 1) / CVM_MEASURE_CHUNK;

    list = malloc(nr * CVM_DIGEST_SIZE);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < nr; i++) {
        size_t at = i * CVM_MEASURE_CHUNK, left = size - at;
        int r = cvm_sha384(p + at, left < CVM_MEASURE_CHUNK ? left : CVM_MEASURE_CHUNK, list + i * CVM_DIGEST_SIZE);

        if (r < 0)
            return r;
    }
    return cvm_sha384(list, nr * CVM_DIGEST_SIZE, out);
}

int cvm_launch_digest(const struct cvm_measured *m, unsigned nr, uint8_t *out) {
    uint8_t buf[16 + CVM_MAX_COMPONENTS * sizeof(struct cvm_measured)];
    uint8_t *p = buf + 16;

    if (nr > CVM_MAX_COMPONENTS)
        return -E2BIG;
    memcpy(buf, CVM_LAUNCH_PREFIX, 16);
    for (unsigned i = 0; i < nr; i++, p += sizeof(*m)) {
        le32_put(p, m[i].kind);
        le32_put(p + 4, 0);
        le64_put(p + 8, m[i].size);
        memcpy(p + 16, m[i].digest, CVM_DIGEST_SIZE);
    }
    return cvm_sha384(buf, (size_t)(p - buf), out);
}

int cvm_measure_bytes(uint32_t kind, const void *buf, size_t size, struct cvm_measured *ret,
                      struct cvm_error *e) {
    if (size == 0)
        return cvm_error_set(e, -ENODATA, "the %s is empty", cvm_component_name(kind) ?: "component");
    memset(ret, 0, sizeof(*ret));
    ret->kind = kind;
    ret->size = size;
    return component_digest(buf, size, ret->digest);
}

int cvm_measure_vcpus(unsigned n, struct cvm_measured *m, unsigned *nr, struct cvm_error *e) {
    uint8_t bytes[4];

    if (n > CVM_MAX_CPUS)
        return cvm_error_set(e, -ERANGE, "number of vCPUs: a protected VM has 1 to %u", CVM_MAX_CPUS);
    if (n < 2)
        return 0;
    m += (*nr)++;
    memset(m, 0, sizeof(*m));
    m->kind = CVM_COMP_VCPUS;
    m->size = n;
    le32_put(bytes, n);
    return cvm_sha384(bytes, sizeof(bytes), m->digest);
}

int cvm_measure_kernel(void *buf, size_t size, struct cvm_measured *ret, struct cvm_error *e) {
    int r;

    r = cvm_bzimage_mask(buf, size, e);
    if (r < 0)
        return r;
    return cvm_measure_bytes(CVM_COMP_KERNEL, buf, size, ret, e);
}

int cvm_measure_firmware(const void *rom, size_t size, struct cvm_measured *ret, struct cvm_error *e) {
    _cleanup_cvm_free_ uint8_t *padded = NULL;
    struct cvm_rom_firmware fw;
    int r;

    r = cvm_rom_parse(rom, size, &fw, e);
    if (r < 0)
        return r;
    padded = calloc(1, fw.size);
    if (!padded)
        return -ENOMEM;
    memcpy(padded, (const uint8_t *)rom + fw.offset, fw.image_size);
    return cvm_measure_bytes(CVM_COMP_FIRMWARE, padded, fw.size, ret, e);
}

int cvm_rootvisor_digest(const void *buf, size_t size, uint8_t *out, struct cvm_error *e) {
    struct range ranges[CVM_ELF_MAX_SEGMENTS];
    struct cvm_elf_image elf;
    int r;

    r = cvm_elf_parse(buf, size, &elf, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < elf.nr; i++)
        ranges[i] = (struct range){(const uint8_t *)buf + elf.segment[i].offset, elf.segment[i].size};
    return sha384_ranges(ranges, elf.nr, out);
}

int cvm_guardian_digest(const void *buf, size_t size, uint8_t *out, uint32_t *svn, struct cvm_error *e) {
    const uint8_t *p = buf;

    if (size < sizeof(struct cvm_g_header) || le64_get(p) != CVM_G_MAGIC)
        return cvm_error_set(e, -ENOEXEC, "this is no Guardian image: no header");
    if (le64_get(p + offsetof(struct cvm_g_header, image_size)) != size)
        return cvm_error_set(e, -EMSGSIZE, "the Guardian image has %zu bytes, its header says %llu", size,
                             (unsigned long long)le64_get(p + offsetof(struct cvm_g_header, image_size)));
    *svn = le32_get(p + offsetof(struct cvm_g_header, svn));
    return cvm_sha384(buf, size, out);
}
