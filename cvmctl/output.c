/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include "member.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char *format_time(uint64_t usec, char out[TIME_MAX_SIZE]) {
    time_t t = (time_t)(usec / 1000000u);
    struct tm tm;
    char s[24];

    gmtime_r(&t, &tm);
    strftime(s, sizeof(s), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, TIME_MAX_SIZE, "%s.%03uZ", s, (unsigned)(usec / 1000u % 1000u));
    return out;
}

json_object *fields_to_json(const struct field *fields, size_t n, json_object *properties) {
    json_object *o = json_object_new_object();

    for (size_t i = 0; i < n; i++) {
        json_object *v = member(properties, fields[i].property);
        char time[TIME_MAX_SIZE];

        if (fields[i].format == FORMAT_TIME) {
            uint64_t usec = json_object_get_uint64(v);

            json_object_object_add(o, fields[i].key,
                                   usec ? json_object_new_string(format_time(usec, time)) : NULL);
        } else
            json_object_object_add(o, fields[i].key, json_object_get(v));
    }
    return o;
}

static char *format_bytes(uint64_t n) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned u = 0;
    char *s;

    while (u + 1 < ELEMENTSOF(units) && n >= 1024 && n % 1024 == 0) {
        n /= 1024;
        u++;
    }
    return asprintf(&s, "%" PRIu64 " %s", n, units[u]) < 0 ? NULL : s;
}

static char *format_list(json_object *v) {
    char *s = NULL;
    size_t size;
    FILE *f = open_memstream(&s, &size);
    const char *separator = "";

    if (!f)
        return NULL;
    if (json_object_is_type(v, json_type_array))
        for (size_t i = 0; i < json_object_array_length(v); i++) {
            fprintf(f, "%s%s", separator, json_object_get_string(json_object_array_get_idx(v, i)));
            separator = ", ";
        }
    else if (json_object_is_type(v, json_type_object)) {
        json_object_object_foreach(v, key, value) {
            fprintf(f, "%s%s %s", separator, key, json_object_get_string(value));
            separator = ", ";
        }
    }
    fclose(f);
    return s;
}

char *format_value(enum format f, json_object *v) {
    char time[TIME_MAX_SIZE], *s;
    uint64_t n;

    if (!v)
        return strdup("");
    switch (f) {
    case FORMAT_BYTES:
        return format_bytes(json_object_get_uint64(v));
    case FORMAT_FRAMES:
        n = json_object_get_uint64(v);
        return asprintf(&s, "%" PRIu64 " (%.1f MiB)", n, (double)n / 256.0) < 0 ? NULL : s;
    case FORMAT_TIME:
        n = json_object_get_uint64(v);
        return strdup(n ? format_time(n, time) : "");
    case FORMAT_YES_NO:
        return strdup(json_object_get_boolean(v) ? "yes" : "no");
    case FORMAT_LIST:
        return format_list(v);
    default:
        return strdup(json_object_get_string(v) ?: "");
    }
}

int fields_print(const struct field *fields, size_t n, json_object *properties) {
    int width = 0;

    for (size_t i = 0; i < n; i++)
        if (fields[i].format != FORMAT_JSON_ONLY && (int)strlen(fields[i].title) > width)
            width = (int)strlen(fields[i].title);
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *s = NULL;

        if (fields[i].format == FORMAT_JSON_ONLY)
            continue;
        s = format_value(fields[i].format, member(properties, fields[i].property));
        if (s && s[0])
            printf("%*s: %s\n", width + 1, fields[i].title, s);
    }
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int print_json(json_object *o) {
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

bool colour(void) {
    const char *no = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !(no && no[0]);
}

const char *state_colour(const char *state) {
    if (strcmp(state, "running") == 0)
        return "green";
    if (strcmp(state, "failed") == 0)
        return "red";
    if (strcmp(state, "starting") == 0 || strcmp(state, "stopping") == 0)
        return "yellow";
    return NULL;
}

struct libscols_table *table_new(const char *const *columns) {
    struct libscols_table *t = scols_new_table();

    if (!t)
        return NULL;
    scols_table_enable_colors(t, colour());
    for (; *columns; columns++)
        if (!scols_table_new_column(t, *columns, 0, 0)) {
            scols_unref_table(t);
            return NULL;
        }
    return t;
}

int table_add(struct libscols_table *t, const char *const *cells, size_t n, size_t coloured,
              const char *colour_name) {
    struct libscols_line *line = scols_table_new_line(t, NULL);

    if (!line)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (scols_line_set_data(line, i, cells[i]) < 0)
            return -ENOMEM;
    if (colour_name)
        scols_cell_set_color(scols_line_get_cell(line, coloured), colour_name);
    return 0;
}

int table_print(struct libscols_table *t) {
    int r = scols_print_table(t);

    scols_unref_table(t);
    return r < 0 ? EXIT_FAILED : EXIT_OK;
}

int table_or_json(struct libscols_table *t, json_object *all, const char *empty) {
    if (!arg_json && !arg_quiet && json_object_array_length(all) > 0)
        return table_print(t);
    scols_unref_table(t);
    if (arg_json)
        return print_json(all);
    if (!arg_quiet)
        puts(empty);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static const char *sort_key;

static int compare(const void *a, const void *b) {
    json_object *x = *(json_object *const *)a, *y = *(json_object *const *)b;

    return strcmp(member_text(x, sort_key), member_text(y, sort_key));
}

void json_array_sort_by(json_object *array, const char *key) {
    sort_key = key;
    json_object_array_sort(array, compare);
}
