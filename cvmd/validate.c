/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "validate.h"

#include "attest/bzimage.h"
#include "cvm/abi.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

int validate_name(const char *name, struct cvm_error *e) {
    size_t n = strlen(name);

    if (n == 0)
        return cvm_error_set(e, -EINVAL, "a machine needs a name");
    if (n > MACHINE_NAME_MAX)
        return cvm_error_set(e, -EINVAL, "the machine name has %zu characters, more than %u", n,
                             MACHINE_NAME_MAX);
    if (!isascii(name[0]) || !isalnum((unsigned char)name[0]))
        return cvm_error_set(e, -EINVAL, "a machine name starts with a letter or a digit");
    for (size_t i = 0; i < n; i++)
        if (!isascii(name[i]) || (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])))
            return cvm_error_set(e, -EINVAL,
                                 "a machine name has letters, digits, '.', '_' and '-' only (character %zu)",
                                 i + 1);
    return 0;
}

int validate_memory(uint64_t bytes, uint64_t host, struct cvm_error *e) {
    if (bytes % (1u << 20))
        return cvm_error_set(e, -EINVAL, "memory of %llu bytes is no whole number of MiB",
                             (unsigned long long)bytes);
    if (bytes < MEMORY_MIN)
        return cvm_error_set(e, -ERANGE, "memory of %llu MiB is less than the minimum of %llu MiB",
                             (unsigned long long)(bytes >> 20), MEMORY_MIN >> 20);
    if (bytes > MEMORY_MAX)
        return cvm_error_set(e, -ERANGE, "memory of %llu MiB is more than the maximum of %llu MiB",
                             (unsigned long long)(bytes >> 20), MEMORY_MAX >> 20);
    if (bytes > host)
        return cvm_error_set(e, -ERANGE, "memory of %llu MiB is more than this host has (%llu MiB)",
                             (unsigned long long)(bytes >> 20), (unsigned long long)(host >> 20));
    return 0;
}

int validate_vcpus(uint32_t n, struct cvm_error *e) {
    if (n < 1 || n > CVM_MAX_CPUS)
        return cvm_error_set(e, -ERANGE, "%u vCPUs: must be 1 to %u", n, CVM_MAX_CPUS);
    return 0;
}

/* Length of the UTF-8 sequence at @p (RFC 3629), 0 if it is none. */
static size_t utf8_sequence(const uint8_t *p) {
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;

    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] >= 0x90))
        return 0;
    return n;
}

int validate_cmdline(const char *s, struct cvm_error *e) {
    const uint8_t *p = (const uint8_t *)s;
    size_t n = strlen(s);

    if (n > CMDLINE_MAX)
        return cvm_error_set(e, -E2BIG, "the kernel command line has %zu bytes, more than %u", n,
                             CMDLINE_MAX);
    while (*p) {
        size_t k = utf8_sequence(p);

        if (k == 0)
            return cvm_error_set(e, -EINVAL, "the kernel command line is not UTF-8 (byte %zu)",
                                 (size_t)(p - (const uint8_t *)s) + 1);
        if (*p < 0x20 || *p == 0x7f)
            return cvm_error_set(e, -EINVAL, "the kernel command line holds a control character (byte %zu)",
                                 (size_t)(p - (const uint8_t *)s) + 1);
        p += k;
    }
    return 0;
}

int validate_kernel(const void *head, size_t size, struct cvm_error *e) {
    _cleanup_cvm_free_ void *copy = NULL;

    /* The measurement's own parser says what a kernel is; it works in place. */
    copy = malloc(size ? size : 1);
    if (!copy)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    memcpy(copy, head, size);
    return cvm_bzimage_mask(copy, size, e);
}
