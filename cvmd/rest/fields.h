/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties of cvmd's objects as JSON: which, under which names, in which form. What is not listed is not shown.
 */
#ifndef CVMD_REST_FIELDS_H
#define CVMD_REST_FIELDS_H

#include "rest.h"

enum form {
    FORM_STRING,   /* s */
    FORM_OPTIONAL, /* s, o: empty becomes null */
    FORM_TIME,     /* t: microseconds since 1970, 0 becomes null */
    FORM_VALUE,    /* as it is: b, u, t, a{s*}, as; ay becomes hexadecimal */
    FORM_REVISION, /* t: not shown, the ETag */
};

struct field {
    const char *property;
    const char *name;
    enum form form;
};

extern const struct field machine_fields[], machine_stats_fields[], image_fields[], operation_fields[], host_fields[];

/* Any value of a message as JSON; negative errno. */
int bus_read_value(sd_bus_message *m, json_object **ret);

/**
 * fields_read - a{sv} of properties
 * @revision: may be NULL
 *
 * Returns 0 or a negative errno; properties that are not listed are skipped.
 */
int fields_read(sd_bus_message *m, const struct field *fields, json_object **ret, uint64_t *revision);

#endif
