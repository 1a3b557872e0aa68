/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a verb says beside its product: errors, and words about a success. With --json both are objects: an error on one
 * line of standard error, a success on standard output.
 */
#include "cvmctl.h"
#include "output.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool arg_json, arg_quiet, errors_as_json;
int silent_status;

/* "cvmctl VERB: TEXT; HINT". */
static void complain(const char *verb, int status, const char *hint, const char *text) {
    if (errors_as_json || arg_json) {
        _cleanup_json_ json_object *o = json_object_new_object();

        json_object_object_add(o, "error", json_object_new_string(text));
        json_object_object_add(o, "verb", verb[0] ? json_object_new_string(verb) : NULL);
        json_object_object_add(o, "status", json_object_new_int(status));
        fprintf(stderr, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    } else
        fprintf(stderr, "cvmctl%s%s: %s%s\n", verb[0] ? " " : "", verb, text, hint);
}

static int vfail(const char *verb, int status, const char *hint, const char *fmt, va_list ap) {
    _cleanup_free_ char *text = NULL;

    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    complain(verb, status, hint, text ?: "out of memory");
    return status;
}

int fail(const char *verb, int status, const char *fmt, ...) {
    va_list ap;

    if (silent_status && status == silent_status)
        return status;
    va_start(ap, fmt);
    status = vfail(verb, status, "", fmt, ap);
    va_end(ap);
    return status;
}

int usage_error(const char *verb, const char *fmt, ...) {
    char hint[96];
    va_list ap;

    snprintf(hint, sizeof(hint), "; see 'cvmctl help%s%s'", verb[0] ? " " : "", verb);
    va_start(ap, fmt);
    vfail(verb, EXIT_USAGE, hint, fmt, ap);
    va_end(ap);
    return EXIT_USAGE;
}

void say(const char *fmt, ...) {
    va_list ap;

    if (arg_json || arg_quiet)
        return;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
}

json_object *members(const char *key, ...) {
    json_object *o = json_object_new_object();
    va_list ap;

    va_start(ap, key);
    for (; key; key = va_arg(ap, const char *)) {
        const char *value = va_arg(ap, const char *);

        json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
    }
    va_end(ap);
    return o;
}

int done(json_object *o, const char *fmt, ...) {
    int r = arg_json ? print_json(o) : EXIT_OK;
    va_list ap;

    json_object_put(o);
    if (arg_json || arg_quiet)
        return r;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

bool nobody_reads(void) {
    struct pollfd p = {.fd = STDOUT_FILENO};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP));
}

int wrote(const char *path) {
    return arg_json && strcmp(path, "-") != 0 ? done(members("file", path, NULL), "%s", "") : EXIT_OK;
}
