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
