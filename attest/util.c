/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cvm_error_set(struct cvm_error *e, int r, const char *fmt, ...) {
    va_list ap;

    if (!e)
        return r;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    cvm_defang(e->text);
    return r;
}

size_t cvm_utf8_size(const uint8_t *s) {
    size_t n = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2 : (*s & 0xf0) == 0xe0 ? 3 : *s >= 0xf0 && *s < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

char *cvm_defang(char *text) {
    uint8_t *p = (uint8_t *)text;

    for (; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* C1 controls, U+0080 to U+009F */
            p[0] = p[1] = '?';
    }
    return text;
}

char *cvm_hex_encode(const void *p, size_t size, char *out) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;

    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * size] = 0;
    return out;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int cvm_hex_decode(const char *s, size_t len, void *out, size_t size) {
    uint8_t *b = out;

    if (len != 2 * size)
        return -EINVAL;
    for (size_t i = 0; i < size; i++) {
        int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return -EINVAL;
        b[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

char *cvm_base64url_encode(const void *p, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *b = p;
    char *out, *o;

    out = o = malloc(CVM_BASE64URL_LEN(size) + 1);
    if (!out)
        return NULL;
    for (; size >= 3; size -= 3, b += 3, o += 4) {
        uint32_t w = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];

        o[0] = digits[w >> 18];
        o[1] = digits[w >> 12 & 63];
        o[2] = digits[w >> 6 & 63];
        o[3] = digits[w & 63];
    }
    if (size) {
        uint32_t w = (uint32_t)b[0] << 16 | (size > 1 ? (uint32_t)b[1] << 8 : 0);

        *o++ = digits[w >> 18];
        *o++ = digits[w >> 12 & 63];
        if (size > 1)
            *o++ = digits[w >> 6 & 63];
    }
    *o = 0;
    return out;
}

/* A digit's value with bit 7 set, 0 for what is none: event logs are long, and comparing costs more than
 * looking up. */
static const uint8_t base64url_digit[256] = {
    ['A'] = 0x80, ['B'] = 0x81, ['C'] = 0x82, ['D'] = 0x83, ['E'] = 0x84, ['F'] = 0x85, ['G'] = 0x86,
    ['H'] = 0x87, ['I'] = 0x88, ['J'] = 0x89, ['K'] = 0x8a, ['L'] = 0x8b, ['M'] = 0x8c, ['N'] = 0x8d,
    ['O'] = 0x8e, ['P'] = 0x8f, ['Q'] = 0x90, ['R'] = 0x91, ['S'] = 0x92, ['T'] = 0x93, ['U'] = 0x94,
    ['V'] = 0x95, ['W'] = 0x96, ['X'] = 0x97, ['Y'] = 0x98, ['Z'] = 0x99, ['a'] = 0x9a, ['b'] = 0x9b,
    ['c'] = 0x9c, ['d'] = 0x9d, ['e'] = 0x9e, ['f'] = 0x9f, ['g'] = 0xa0, ['h'] = 0xa1, ['i'] = 0xa2,
    ['j'] = 0xa3, ['k'] = 0xa4, ['l'] = 0xa5, ['m'] = 0xa6, ['n'] = 0xa7, ['o'] = 0xa8, ['p'] = 0xa9,
    ['q'] = 0xaa, ['r'] = 0xab, ['s'] = 0xac, ['t'] = 0xad, ['u'] = 0xae, ['v'] = 0xaf, ['w'] = 0xb0,
    ['x'] = 0xb1, ['y'] = 0xb2, ['z'] = 0xb3, ['0'] = 0xb4, ['1'] = 0xb5, ['2'] = 0xb6, ['3'] = 0xb7,
    ['4'] = 0xb8, ['5'] = 0xb9, ['6'] = 0xba, ['7'] = 0xbb, ['8'] = 0xbc, ['9'] = 0xbd, ['-'] = 0xbe,
    ['_'] = 0xbf,
};

/* Four digits as a number of 24 bits; negative if one is none. */
static inline int32_t base64url_group(const uint8_t *s) {
    uint32_t a = base64url_digit[s[0]], b = base64url_digit[s[1]], c = base64url_digit[s[2]],
             d = base64url_digit[s[3]];

    return a & b & c & d & 0x80 ? (int32_t)((a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63)) : -1;
}

int cvm_base64url_decode(const char *s, size_t len, void *out, size_t max, size_t *ret) {
    const uint8_t *p = (const uint8_t *)s;
    uint8_t *o = out;
    size_t n = 0;

    if (len % 4 == 1)
        return -EINVAL;
    if (len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0) > max)
        return -ENOBUFS;
    for (; len >= 4; len -= 4, p += 4) {
        int32_t v = base64url_group(p);

        if (v < 0)
            return -EINVAL;
        o[n++] = (uint8_t)(v >> 16);
        o[n++] = (uint8_t)(v >> 8);
        o[n++] = (uint8_t)v;
    }
    if (len) {
        uint8_t last[4] = {p[0], p[1], len == 3 ? p[2] : 'A', 'A'};
        int32_t v = base64url_group(last);

        /* One text for one value: bits that code nothing must be 0 (RFC 4648, 3.5). */
        if (v < 0 || v & (len == 2 ? 0xffff : 0xff))
            return -EINVAL;
        o[n++] = (uint8_t)(v >> 16);
        if (len == 3)
            o[n++] = (uint8_t)(v >> 8);
    }
    *ret = n;
    return 0;
}

static void closep(int *fd) {
    if (*fd > STDERR_FILENO)
        close(*fd);
}

int cvm_read_file(const char *path, size_t max, void **ret, size_t *size, struct cvm_error *e) {
    _cleanup_cvm_free_ uint8_t *buf = NULL;
    _cleanup_(closep) int fd = -1;
    size_t room = 0, n = 0;
    struct stat st;

    fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cvm_error_set(e, -errno, "cannot open '%s': %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return cvm_error_set(e, -EISDIR, "'%s' is a directory", path);
    if (S_ISREG(st.st_mode) && st.st_size >= 0 && (uint64_t)st.st_size > max)
        return cvm_error_set(e, -EFBIG, "'%s' has %lld bytes, more than the %zu allowed", path,
                             (long long)st.st_size, max);
    for (;;) {
        ssize_t k;

        if (n == room) {
            size_t want = room ? room * 2 : S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 65536;
            uint8_t *p;

            if (want > max + 1)
                want = max + 1;
            p = realloc(buf, want + 1);
            if (!p)
                return cvm_error_set(e, -ENOMEM, "out of memory while reading '%s'", path);
            buf = p;
            room = want;
        }
        k = read(fd, buf + n, room - n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return cvm_error_set(e, -errno, "cannot read '%s': %s", path, strerror(errno));
        if (k == 0)
            break;
        n += (size_t)k;
        if (n > max)
            return cvm_error_set(e, -EFBIG, "'%s' has more than the %zu bytes allowed", path, max);
    }
    buf[n] = 0;
    *ret = buf;
    *size = n;
    buf = NULL;
    return 0;
}

int cvm_write_all(int fd, const void *buf, size_t size) {
    const uint8_t *p = buf;

    while (size) {
        ssize_t k = write(fd, p, size);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        p += k;
        size -= (size_t)k;
    }
    return 0;
}

static int write_file(const char *path, const void *p, size_t size, mode_t mode, struct cvm_error *e) {
    _cleanup_cvm_free_ char *tmp = NULL;
    struct stat st;
    int fd, r;

    if (strcmp(path, "-") == 0) {
        r = cvm_write_all(STDOUT_FILENO, p, size);
        return r < 0 ? cvm_error_set(e, r, "cannot write to standard output: %s", strerror(-r)) : 0;
    }
    /* A device or pipe is written in place; rename would replace it. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        r = fd < 0 ? -errno : cvm_write_all(fd, p, size);
        if (fd >= 0)
            close(fd);
        return r < 0 ? cvm_error_set(e, r, "cannot write '%s': %s", path, strerror(-r)) : 0;
    }
    if (asprintf(&tmp, "%s.XXXXXX", path) < 0) {
        tmp = NULL;
        return cvm_error_set(e, -ENOMEM, "out of memory");
    }
    fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return cvm_error_set(e, -errno, "cannot create '%s': %s", tmp, strerror(errno));
    r = cvm_write_all(fd, p, size);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = -errno;
    close(fd);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return cvm_error_set(e, r, "cannot write '%s': %s", path, strerror(-r));
    }
    return 0;
}

int cvm_write_file(const char *path, const void *p, size_t size, struct cvm_error *e) {
    return write_file(path, p, size, 0644, e);
}

int cvm_sync_folder(const char *path, struct cvm_error *e) {
    const char *slash = strrchr(path, '/');
    _cleanup_cvm_free_ char *folder = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    _cleanup_(closep) int fd = -1;

    if (!folder)
        return -ENOMEM;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? cvm_error_set(e, -errno, "'%s': %s", folder, strerror(errno)) : 0;
}

int cvm_write_secret_file(const char *path, const void *p, size_t size, struct cvm_error *e) {
    struct stat st;
    int r = write_file(path, p, size, 0600, e);

    /* Standard output, a device and a pipe have no name that could be lost. */
    return r < 0 || strcmp(path, "-") == 0 || stat(path, &st) < 0 || !S_ISREG(st.st_mode) ? r : cvm_sync_folder(path, e);
}

int cvm_name_index(const char *const *names, size_t nr, const char *name) {
    for (size_t i = 0; i < nr; i++)
        if (strcmp(name, names[i]) == 0)
            return (int)i;
    return -EINVAL;
}
