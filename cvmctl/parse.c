/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cvmctl.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

int parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret) {
    unsigned long long v;
    char *end;

    if (!isdigit((unsigned char)s[0]))
        return -EINVAL;
    errno = 0;
    v = strtoull(s, &end, 10);
    if (*end)
        return -EINVAL;
    if (errno == ERANGE || v < min || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int parse_memory(const char *s, uint64_t *ret) {
    unsigned shift = 20;
    unsigned long long v;
    char *end;

    if (!isdigit((unsigned char)s[0]))
        return -EINVAL;
    errno = 0;
    v = strtoull(s, &end, 10);
    if (*end) {
        switch (*end) {
        case 'K':
            shift = 10;
            break;
        case 'M':
            shift = 20;
            break;
        case 'G':
            shift = 30;
            break;
        case 'T':
            shift = 40;
            break;
        default:
            return -EINVAL;
        }
        end++;
        if (strcmp(end, "iB") == 0)
            end += 2;
    }
    if (*end)
        return -EINVAL;
    if (errno == ERANGE || v == 0 || v > UINT64_MAX >> shift)
        return -ERANGE;
    *ret = v << shift;
    return 0;
}

int parse_nonce(const char *arg, uint8_t nonce[NONCE_SIZE], struct cvm_error *e) {
    _cleanup_free_ void *buf = NULL;
    struct cvm_error why = {0};
    size_t size;
    char *text;
    int r;

    if (cvm_hex_decode(arg, strlen(arg), nonce, NONCE_SIZE) == 0)
        return 0;
    r = cvm_read_file(arg, 4096, &buf, &size, &why);
    if (r < 0)
        return cvm_error_set(e, r, "the nonce is neither %u hexadecimal digits nor a readable file: %.200s",
                             2 * NONCE_SIZE, why.text);
    if (size == NONCE_SIZE) {
        memcpy(nonce, buf, NONCE_SIZE);
        return 0;
    }
    text = buf;
    while (size && isspace((unsigned char)text[size - 1]))
        size--;
    if (cvm_hex_decode(text, size, nonce, NONCE_SIZE) < 0)
        return cvm_error_set(e, -EINVAL, "'%s' holds neither %u bytes nor %u hexadecimal digits", arg,
                             NONCE_SIZE, 2 * NONCE_SIZE);
    return 0;
}

bool is_one_of(const char *s, const char *words) {
    size_t n = strlen(s);

    for (const char *p = words; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strcspn(p, "|") == n && memcmp(p, s, n) == 0)
            return true;
    return false;
}
