/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-entry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int cvm_text_append(struct cvm_text *t, const char *s, size_t len) {
    if (t->size - t->len < len) {
        size_t size = t->size ? 2 * t->size : 4096;
        char *p;

        while (size - t->len < len)
            size *= 2;
        p = realloc(t->p, size);
        if (!p)
            return -ENOMEM;
        t->p = p;
        t->size = size;
    }
    if (len)
        memcpy(t->p + t->len, s, len);
    t->len += len;
    return 0;
}

static int append_string(struct cvm_text *t, const char *name, const char *s) {
    char escaped[8];
    int r = cvm_text_append(t, name, strlen(name));

    if (r < 0 || !s)
        return r < 0 ? r : cvm_text_append(t, "null", 4);
    r = cvm_text_append(t, "\"", 1);
    while (r >= 0 && *s) {
        size_t n = cvm_utf8_size((const uint8_t *)s);

        if (n == 0)
            r = cvm_text_append(t, "?", 1);
        else if ((uint8_t)*s < 0x20 || *s == 0x7f || *s == '"' || *s == '\\') {
            snprintf(escaped, sizeof(escaped), "\\u%04x", (uint8_t)*s);
            r = cvm_text_append(t, escaped, 6);
        } else
            r = cvm_text_append(t, s, n);
        s += n ?: 1;
    }
    return r < 0 ? r : cvm_text_append(t, "\"", 1);
}

int cvm_audit_entry_format(const struct cvm_audit_entry *a, struct cvm_text *t) {
    char head[128], raw[2 * CVM_AUDIT_RAW_HEAD + 1];
    size_t start = t->len;
    int r, n;

    if (a->raw_size > CVM_AUDIT_RAW_HEAD)
        return -EFBIG;
    n = snprintf(head, sizeof(head), "{\"index\":%" PRIu64 ",\"time\":%" PRIu64, a->index, a->time);
    r = cvm_text_append(t, head, (size_t)n);
    if (r >= 0)
        r = append_string(t, ",\"source\":", a->source);
    if (r >= 0)
        r = append_string(t, ",\"machine\":", a->machine);
    if (r >= 0)
        r = append_string(t, ",\"uuid\":", a->uuid);
    if (r >= 0)
        r = append_string(t, ",\"event\":", a->event);
    n = snprintf(head, sizeof(head), ",\"reason\":%u", a->reason);
    if (r >= 0)
        r = cvm_text_append(t, head, (size_t)n);
    if (r >= 0)
        r = append_string(t, ",\"message\":", a->message);
    if (r >= 0)
        r = append_string(t, ",\"who\":", a->who);
    if (r >= 0)
        r = append_string(t, ",\"boot\":", a->boot);
    n = snprintf(head, sizeof(head), ",\"seq\":%" PRIu64 ",\"args\":[%" PRIu64 ",%" PRIu64 "]", a->seq, a->arg[0],
                 a->arg[1]);
    if (r >= 0)
        r = cvm_text_append(t, head, (size_t)n);
    if (r >= 0)
        r = append_string(t, ",\"raw\":", a->raw ? cvm_hex_encode(a->raw, a->raw_size, raw) : NULL);
    if (r >= 0)
        r = cvm_text_append(t, "}", 1);
    if (r >= 0 && t->len - start > CVM_AUDIT_LINE_MAX)
        r = -EFBIG;
    return r;
}

struct cursor {
    const char *p, *end;
};

static bool word(struct cursor *c, const char *s) {
    size_t n = strlen(s);

    if ((size_t)(c->end - c->p) < n || memcmp(c->p, s, n) != 0)
        return false;
    c->p += n;
    return true;
}

static bool number(struct cursor *c, uint64_t max, uint64_t *ret) {
    const char *start = c->p;
    uint64_t v = 0;

    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        uint64_t d = (uint64_t)(*c->p++ - '0');

        if (v > (max - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *ret = v;
    return c->p > start && (*start != '0' || c->p == start + 1);
}

static bool string(struct cursor *c, struct cvm_audit_span *ret) {
    *ret = (struct cvm_audit_span){NULL, 0};
    if (word(c, "null"))
        return true;
    if (!word(c, "\""))
        return false;
    ret->p = c->p;
    for (; c->p < c->end && *c->p != '"'; c->p++)
        if ((uint8_t)*c->p < 0x20)
            return false;
        else if (*c->p == '\\' && ++c->p == c->end)
            return false;
    ret->len = (size_t)(c->p - ret->p);
    return word(c, "\"");
}

int cvm_audit_line_parse(const char *s, size_t len, struct cvm_audit_line *ret, struct cvm_error *e) {
    struct cursor c = {s, s + len};
    uint64_t reason = 0;

    if (len > CVM_AUDIT_LINE_MAX)
        return cvm_error_set(e, -EINVAL, "an entry has at most %u bytes", CVM_AUDIT_LINE_MAX);
    if (word(&c, "{\"index\":") && number(&c, INT64_MAX, &ret->index) && word(&c, ",\"time\":") &&
        number(&c, UINT64_MAX, &ret->time) && word(&c, ",\"source\":") && string(&c, &ret->source) &&
        word(&c, ",\"machine\":") && string(&c, &ret->machine) && word(&c, ",\"uuid\":") &&
        string(&c, &ret->uuid) && word(&c, ",\"event\":") && string(&c, &ret->event) &&
        word(&c, ",\"reason\":") && number(&c, UINT32_MAX, &reason) && word(&c, ",\"message\":") &&
        string(&c, &ret->message) && word(&c, ",\"who\":") && string(&c, &ret->who) && word(&c, ",\"boot\":") &&
        string(&c, &ret->boot) && word(&c, ",\"seq\":") && number(&c, UINT64_MAX, &ret->seq) &&
        word(&c, ",\"args\":[") && number(&c, UINT64_MAX, &ret->arg[0]) && word(&c, ",") &&
        number(&c, UINT64_MAX, &ret->arg[1]) && word(&c, "],\"raw\":") && string(&c, &ret->raw) &&
        word(&c, "}") && c.p == c.end) {
        ret->reason = (uint32_t)reason;
        return 0;
    }
    return cvm_error_set(e, -EINVAL, "not in the form of an entry at byte %zu", (size_t)(c.p - s));
}

bool cvm_audit_span_is(struct cvm_audit_span s, const char *text) {
    return s.p && s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}
