/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded reading of untrusted JSON (RFC 8259).
 */
#ifndef CVM_ATTEST_JSON_H
#define CVM_ATTEST_JSON_H

#include <json-c/json.h>

#include "util.h"

#define CVM_JSON_MAX (1u << 20) /* bytes of a document */
#define CVM_JSON_DEPTH 12

/* Whether the first byte that is no white space opens an object. */
bool cvm_json_is_object(const void *buf, size_t size);

/**
 * cvm_json_parse - one JSON object and nothing behind it
 * @buf, @size: untrusted text, at most CVM_JSON_MAX bytes, UTF-8
 * @ret:        the caller puts
 *
 * Returns 0; -EFBIG; -EINVAL with the place of the error in @e; -ENOMEM.
 */
int cvm_json_parse(const void *buf, size_t size, json_object **ret, struct cvm_error *e);

/**
 * cvm_json_get, cvm_json_string, cvm_json_uint - a member that must be there
 * @o:    an object
 * @name: of the member
 * @ret:  lent: lives as long as @o
 *
 * Returns 0; -ENOENT if there is no such member; -EINVAL if it is of another type, a string with a
 * NUL in it, negative or larger than @max.
 */
int cvm_json_get(json_object *o, const char *name, enum json_type type, json_object **ret,
                 struct cvm_error *e);
int cvm_json_string(json_object *o, const char *name, const char **ret, struct cvm_error *e);
int cvm_json_uint(json_object *o, const char *name, uint64_t max, uint64_t *ret, struct cvm_error *e);

/* A member that holds exactly @size bytes as base64url, or as hexadecimal. */
int cvm_json_base64url(json_object *o, const char *name, void *out, size_t size, struct cvm_error *e);
int cvm_json_hex(json_object *o, const char *name, void *out, size_t size, struct cvm_error *e);

/**
 * cvm_json_bytes - a member that holds 1 to @max bytes as base64url
 * @size: bytes written to @out
 *
 * Returns 0; -ENOENT; -EINVAL; -ENOBUFS: more than @max bytes.
 */
int cvm_json_bytes(json_object *o, const char *name, void *out, size_t max, size_t *size,
                   struct cvm_error *e);

/* cvm_json_parse() of a text whose member "profile" must be @profile; -EPROTONOSUPPORT for another, -ENOENT
 * for none. */
int cvm_json_parse_profile(const void *buf, size_t size, const char *profile, json_object **ret,
                           struct cvm_error *e);

/* Adds bytes as lower-case hexadecimal or base64url, 0 or -ENOMEM. */
int cvm_json_add_hex(json_object *o, const char *name, const void *p, size_t size);
int cvm_json_add_base64url(json_object *o, const char *name, const void *p, size_t size);

/* The object as text for a file, with a newline at its end, that the caller frees. 0 or -ENOMEM. */
int cvm_json_text(json_object *o, char **ret);

#endif
