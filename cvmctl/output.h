/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Output: a table of fields says how properties of the bus become JSON members and lines for people, so that
 * both forms always tell the same.
 */
#ifndef CVMCTL_OUTPUT_H
#define CVMCTL_OUTPUT_H

#include "cvmctl.h"

enum format {
    FORMAT_PLAIN,
    FORMAT_BYTES,     /* uint64 bytes */
    FORMAT_FRAMES,    /* uint64 frames of 4 KiB */
    FORMAT_TIME,      /* uint64 microseconds since 1970, 0 = never */
    FORMAT_YES_NO,    /* boolean */
    FORMAT_LIST,      /* array or object */
    FORMAT_JSON_ONLY, /* not for people */
};

struct field {
    const char *property; /* on the bus */
    const char *key;      /* in JSON */
    const char *title;    /* for people */
    enum format format;
};

/* @properties as an object with the keys of @fields; times become RFC 3339 text or null. */
json_object *fields_to_json(const struct field *fields, size_t n, json_object *properties);
/* One line a field, titles in a column; empty values are left out. */
int fields_print(const struct field *fields, size_t n, json_object *properties);
/* One value for people; the caller frees. */
char *format_value(enum format f, json_object *value);

/* Pretty JSON and a newline to standard output. Returns an exit status. */
int print_json(json_object *o);

/* Microseconds since 1970 as RFC 3339 in UTC with milliseconds. */
#define TIME_MAX_SIZE 32u
char *format_time(uint64_t usec, char out[TIME_MAX_SIZE]);

/* Whether colour may be used on standard output: a terminal, and no NO_COLOR. */
bool colour(void);

struct libscols_table;
/* A table in the house style with these columns (NULL-terminated). NULL if out of memory. */
struct libscols_table *table_new(const char *const *columns);
/* Print, free, return an exit status. */
int table_print(struct libscols_table *t);
/* @all as JSON with --json, nothing with --quiet (the verb has printed names), @empty if there is no row;
 * else the table. Frees the table, returns an exit status. */
int table_or_json(struct libscols_table *t, json_object *all, const char *empty);
/* Sort an array of objects by a member that is a string. */
void json_array_sort_by(json_object *array, const char *key);
/* Append a row of copied cells; @colour_name (of libsmartcols) for the cell @coloured, or NULL. */
int table_add(struct libscols_table *t, const char *const *cells, size_t n, size_t coloured,
              const char *colour_name);
/* Colour of a machine's state, NULL for none. */
const char *state_colour(const char *state);

#endif
