/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients write into request lines and header fields: pure parsers of untrusted text. Each returns 0 or
 * -EINVAL (-ERANGE where named) and fills its result on success only.
 */
#ifndef CVMD_REST_PARSE_H
#define CVMD_REST_PARSE_H

#include "attest/util.h"

#define LIMIT_DEFAULT 100u
#define LIMIT_MAX 1000u
#define CURSOR_KEY_MAX 128u
#define IDEMPOTENCY_KEY_MAX 255u

/* ?limit=: decimal, 1 to LIMIT_MAX; NULL gives the default. */
int parse_limit(const char *s, uint32_t *ret);

/* An audit number: ?after=, Last-Event-ID (which the WHATWG text lets be anything: ours are decimal). */
int parse_event_id(const char *s, uint64_t *ret);

/**
 * cursor_encode, parse_cursor - ?cursor=: where a page ended, opaque to clients
 * @kind: one letter, so that the cursor of one list is no good for another
 * @key:  the last key on the page
 *
 * cursor_encode() returns a new string or NULL (out of memory).
 */
char *cursor_encode(char kind, const char *key);
int parse_cursor(const char *s, char kind, char key[CURSOR_KEY_MAX + 1]);

/* An entity tag of ours: a quoted revision (RFC 9110, section 8.8.3). */
#define ETAG_MAX 24
char *etag_format(uint64_t revision, char out[ETAG_MAX]);

enum match {
    MATCH_ABSENT,
    MATCH_ANY, /* "*" */
    MATCH_LIST,
};
/**
 * parse_match - If-Match and If-None-Match (RFC 9110, sections 13.1.1 and 13.1.2)
 * @s: field value, or NULL: absent
 * @revision: of the current representation
 * @weak: compare weakly (If-None-Match); else a W/ tag matches nothing
 * @matches: whether one of the tags is @revision's
 *
 * Returns enum match, or -EINVAL.
 */
int parse_match(const char *s, uint64_t revision, bool weak, bool *matches);

/* Idempotency-Key: a quoted string of the draft's structured form, or bare; 1 to 255 visible characters. */
int parse_idempotency_key(const char *s, char out[IDEMPOTENCY_KEY_MAX + 1]);

/**
 * parse_range - Range with one range of bytes (RFC 9110, section 14.1.2)
 * @size: of the whole
 * @first, @last: inclusive
 *
 * Returns 0; -EINVAL: another unit, several ranges or no syntax: the field is ignored; -ERANGE: unsatisfiable.
 */
int parse_range(const char *s, uint64_t size, uint64_t *first, uint64_t *last);

/* ?digest= and Repr-Digest's hexadecimal cousin: 96 lower-case hexadecimal digits (SHA-384). */
int parse_digest(const char *s);

/* Whether a Content-Type names @type, parameters aside. */
bool media_type_is(const char *s, const char *type);

/* Microseconds since 1970 as RFC 3339, in UTC. */
#define RFC3339_MAX 32
char *rfc3339_format(uint64_t usec, char out[RFC3339_MAX]);

#endif
