/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An entry of the audit log as text: one line of JSON in one form only. These bytes, without the newline, are
 * the leaf of the Merkle tree. docs/audit.md describes the members. Pure.
 */
#ifndef CVM_ATTEST_AUDIT_ENTRY_H
#define CVM_ATTEST_AUDIT_ENTRY_H

#include "util.h"

/* RootVisor's events carry the chain value before them, then the event; its heads the head, then the report key. */
#define CVM_AUDIT_RAW_EVENT (32u + 64u)
#define CVM_AUDIT_RAW_HEAD (456u + 65u)
#define CVM_AUDIT_LINE_MAX 16384u

struct cvm_audit_entry {
    uint64_t index;             /* in the log, from 0 */
    uint64_t time;              /* microseconds since 1970 */
    const char *source;         /* "cvmd" or "rootvisor" */
    const char *machine, *uuid; /* or NULL */
    const char *event;
    uint32_t reason;
    const char *message;
    const char *who;  /* or NULL */
    const char *boot; /* or NULL */
    uint64_t seq;
    uint64_t arg[2];
    const void *raw; /* or NULL */
    size_t raw_size;
};

/* A text that grows. */
struct cvm_text {
    char *p; /* not NUL-terminated; the owner frees */
    size_t len, size;
};

/* Appends the line without a newline. What is no UTF-8 becomes '?'. 0, -ENOMEM, -EFBIG. */
int cvm_audit_entry_format(const struct cvm_audit_entry *a, struct cvm_text *t);
int cvm_text_append(struct cvm_text *t, const char *s, size_t len);

/* A string of a line: still with its escapes; p NULL: null. */
struct cvm_audit_span {
    const char *p;
    size_t len;
};

struct cvm_audit_line {
    uint64_t index, time, seq, arg[2];
    uint32_t reason;
    struct cvm_audit_span source, machine, uuid, event, message, who, boot, raw;
};

/* Untrusted bytes; takes exactly what cvm_audit_entry_format() makes. 0, or -EINVAL with the place in @e. */
int cvm_audit_line_parse(const char *s, size_t len, struct cvm_audit_line *ret, struct cvm_error *e);
bool cvm_audit_span_is(struct cvm_audit_span s, const char *text);

#endif
