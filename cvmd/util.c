/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util.h"

#include <errno.h>
#include <string.h>

int free_and_strdup(char **p, const char *s) {
    char *copy = NULL;

    if (s) {
        copy = strdup(s);
        if (!copy)
            return -ENOMEM;
    }
    free(*p);
    *p = copy;
    return 0;
}

char *uuid_to_string(const uint8_t uuid[16], char out[UUID_STRING_MAX]) {
    char hex[33], *o = out;

    cvm_hex_encode(uuid, 16, hex);
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *o++ = '-';
        *o++ = hex[i];
    }
    *o = 0;
    return out;
}

int uuid_from_string(const char *s, uint8_t uuid[16]) {
    char hex[32];
    unsigned n = 0;

    if (strlen(s) != UUID_STRING_MAX - 1)
        return -EINVAL;
    for (unsigned i = 0; i < UUID_STRING_MAX - 1; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (s[i] != '-')
                return -EINVAL;
        } else
            hex[n++] = s[i];
    }
    return cvm_hex_decode(hex, sizeof(hex), uuid, 16);
}

void uuid7_make(uint64_t ms, const uint8_t last[16], const uint8_t random[10], uint8_t out[16]) {
    uint64_t last_ms = 0;
    unsigned counter;

    for (unsigned i = 0; i < 6; i++)
        last_ms = last_ms << 8 | last[i];
    ms &= (1ull << 48) - 1;
    /* Section 6.2, method 1: the 12 bits behind the time count within a millisecond. */
    if (ms > last_ms)
        counter = (unsigned)(random[0] & 0x07) << 8 | random[1];
    else {
        ms = last_ms;
        counter = ((unsigned)(last[6] & 0x0f) << 8 | last[7]) + 1;
        if (counter > 0xfff) {
            ms++;
            counter = 0;
        }
    }
    for (unsigned i = 0; i < 6; i++)
        out[i] = (uint8_t)(ms >> (40 - 8 * i));
    out[6] = (uint8_t)(0x70 | counter >> 8);
    out[7] = (uint8_t)counter;
    memcpy(out + 8, random + 2, 8);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

int read_line_file(const char *path, char **ret) {
    void *buf;
    size_t size;
    int r;

    r = cvm_read_file(path, 65536, &buf, &size, NULL);
    if (r < 0)
        return r;
    while (size && ((char *)buf)[size - 1] == '\n')
        ((char *)buf)[--size] = 0;
    *ret = buf;
    return 0;
}
