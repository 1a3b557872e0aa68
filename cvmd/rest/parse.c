/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The decimal number at *@s, which is moved behind it, also if it is too large (-ERANGE). */
static int parse_decimal(const char **s, uint64_t *ret) {
    uint64_t v = 0;
    const char *p = *s;
    int r = 0;

    if (!is_digit(*p))
        return -EINVAL;
    for (; is_digit(*p); p++) {
        unsigned digit = (unsigned)(*p - '0');

        if (v > (UINT64_MAX - digit) / 10)
            r = -ERANGE;
        v = r < 0 ? UINT64_MAX : v * 10 + digit;
    }
    *s = p;
    *ret = v;
    return r;
}

int parse_limit(const char *s, uint32_t *ret) {
    uint64_t v = LIMIT_DEFAULT;

    if (s && (parse_decimal(&s, &v) < 0 || *s))
        return -EINVAL;
    if (v < 1 || v > LIMIT_MAX)
        return -EINVAL;
    *ret = (uint32_t)v;
    return 0;
}

int parse_event_id(const char *s, uint64_t *ret) {
    uint64_t v;

    if (parse_decimal(&s, &v) < 0 || *s || v > INT64_MAX)
        return -EINVAL;
    *ret = v;
    return 0;
}

char *cursor_encode(char kind, const char *key) {
    char buf[CURSOR_KEY_MAX + 2];
    size_t n = strlen(key);

    if (n > CURSOR_KEY_MAX)
        return NULL;
    buf[0] = kind;
    memcpy(buf + 1, key, n);
    return cvm_base64url_encode(buf, n + 1);
}

int parse_cursor(const char *s, char kind, char key[CURSOR_KEY_MAX + 1]) {
    char buf[CURSOR_KEY_MAX + 1];
    size_t n;

    if (cvm_base64url_decode(s, strlen(s), buf, sizeof(buf), &n) < 0 || n < 2 || buf[0] != kind)
        return -EINVAL;
    for (size_t i = 1; i < n; i++)
        if (buf[i] <= 0x20 || buf[i] == 0x7f)
            return -EINVAL;
    memcpy(key, buf + 1, n - 1);
    key[n - 1] = 0;
    return 0;
}

char *etag_format(uint64_t revision, char out[ETAG_MAX]) {
    snprintf(out, ETAG_MAX, "\"%" PRIx64 "\"", revision);
    return out;
}

static const char *skip_space(const char *s) {
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

/* One entity tag: moves *@s behind it. */
static int parse_tag(const char **s, const char *wanted, bool weak_comparison, bool *same) {
    const char *p = *s, *start;
    bool weak = strncmp(p, "W/", 2) == 0;
    size_t n;

    if (weak)
        p += 2;
    start = p;
    if (*p++ != '"')
        return -EINVAL;
    while (*p && *p != '"') {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return -EINVAL;
        p++;
    }
    if (*p++ != '"')
        return -EINVAL;
    n = (size_t)(p - start);
    if ((!weak || weak_comparison) && n == strlen(wanted) && memcmp(start, wanted, n) == 0)
        *same = true;
    *s = p;
    return 0;
}

int parse_match(const char *s, uint64_t revision, bool weak, bool *matches) {
    char wanted[ETAG_MAX];
    bool found = false;

    if (!s)
        return MATCH_ABSENT;
    s = skip_space(s);
    if (*s == '*') {
        if (*skip_space(s + 1))
            return -EINVAL;
        *matches = true;
        return MATCH_ANY;
    }
    etag_format(revision, wanted);
    for (;;) {
        if (parse_tag(&s, wanted, weak, &found) < 0)
            return -EINVAL;
        s = skip_space(s);
        if (!*s)
            break;
        if (*s++ != ',')
            return -EINVAL;
        s = skip_space(s);
    }
    *matches = found;
    return MATCH_LIST;
}

int parse_idempotency_key(const char *s, char out[IDEMPOTENCY_KEY_MAX + 1]) {
    size_t n = strlen(s);
    char key[IDEMPOTENCY_KEY_MAX + 1];

    if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
        s++;
        n -= 2;
    }
    if (n < 1 || n > IDEMPOTENCY_KEY_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= 0x20 || s[i] >= 0x7f || s[i] == '"' || s[i] == '\\')
            return -EINVAL;
        key[i] = s[i];
    }
    memcpy(out, key, n);
    out[n] = 0;
    return 0;
}

int parse_range(const char *s, uint64_t size, uint64_t *first, uint64_t *last) {
    uint64_t a = 0, b = 0;
    int ra, rb;

    if (strncmp(s, "bytes=", 6) != 0)
        return -EINVAL;
    s += 6;
    ra = parse_decimal(&s, &a);
    if (*s++ != '-')
        return -EINVAL;
    rb = parse_decimal(&s, &b);
    if (*s || (ra == -EINVAL && rb == -EINVAL))
        return -EINVAL;
    if (ra == -EINVAL) { /* the last @b bytes */
        if (b > size)
            b = size;
        if (b == 0)
            return -ERANGE;
        *first = size - b;
        *last = size - 1;
        return 0;
    }
    if (rb != -EINVAL && b < a)
        return -EINVAL;
    if (a >= size)
        return -ERANGE;
    *first = a;
    *last = rb != -EINVAL && b < size ? b : size - 1;
    return 0;
}

int parse_digest(const char *s) {
    size_t n = strspn(s, "0123456789abcdef");

    return n == 96 && !s[n] ? 0 : -EINVAL;
}

bool media_type_is(const char *s, const char *type) {
    size_t n = strlen(type);

    if (!s || strncasecmp(s, type, n) != 0)
        return false;
    s = skip_space(s + n);
    return !*s || *s == ';';
}

char *rfc3339_format(uint64_t usec, char out[RFC3339_MAX]) {
    time_t t = (time_t)(usec / 1000000u);
    struct tm tm;

    if (!gmtime_r(&t, &tm) || tm.tm_year > 8099) {
        snprintf(out, RFC3339_MAX, "9999-12-31T23:59:59.999999Z");
        return out;
    }
    snprintf(out, RFC3339_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(tm.tm_year + 1900) % 10000u,
             (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u,
             (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u, (unsigned)(usec % 1000000u));
    return out;
}
