/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that are built on libcvmattest alone, without the bus that the rest of cvmctl needs. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cvmctl.h"

bool arg_json;

int fail(const char *verb, int status, const char *fmt, ...) {
    va_list ap;

    fprintf(stderr, "%s: ", verb);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

int usage_error(const char *verb, const char *fmt, ...) {
    va_list ap;

    fprintf(stderr, "%s: ", verb);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"verify", verb_verify}, {"digest", verb_digest}, {"policy", verb_policy}};

    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        arg_json = true;
        argv++;
        argc--;
    }
    for (size_t i = 0; argc > 1 && i < ELEMENTSOF(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    fprintf(stderr, "verify, digest or policy\n");
    return EXIT_USAGE;
}
