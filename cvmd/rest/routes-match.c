/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "routes-match.h"

#include <errno.h>
#include <string.h>

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int path_decode(const char *s, size_t n, char **ret) {
    _cleanup_cvm_free_ char *out = malloc(n + 1);
    size_t o = 0;

    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];

        if (c == '%') {
            if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
                return -EINVAL;
            c = hex(s[i + 1]) << 4 | hex(s[i + 2]);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || c == '/')
            return -EINVAL;
        out[o++] = (char)c;
    }
    out[o] = 0;
    *ret = out;
    out = NULL;
    return 0;
}

bool path_matches(const char *pattern, const char *path, const char *segments[PATH_PARAMS_MAX],
                  size_t sizes[PATH_PARAMS_MAX]) {
    unsigned k = 0;

    while (*pattern) {
        if (*pattern == '{') {
            size_t n = strcspn(path, "/");

            if (n == 0 || k == PATH_PARAMS_MAX)
                return false;
            segments[k] = path;
            sizes[k++] = n;
            path += n;
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern++ != *path++)
            return false;
    }
    return *path == 0;
}
