/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of JSON objects whose shape is known: what is not there reads as empty or 0. */
#ifndef CVMCTL_MEMBER_H
#define CVMCTL_MEMBER_H

#include <json-c/json.h>
#include <stdint.h>

/* Borrowed of @o, which may be NULL; NULL if there is none. */
static inline json_object *member(json_object *o, const char *key) {
    json_object *v = NULL;

    json_object_object_get_ex(o, key, &v);
    return v;
}

/* Borrowed of @o; "" if there is none. A value that is no string reads as its JSON. */
static inline const char *member_text(json_object *o, const char *key) {
    return json_object_get_string(member(o, key)) ?: "";
}

static inline uint64_t member_number(json_object *o, const char *key) {
    return json_object_get_uint64(member(o, key));
}

#endif
