/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl host endorsement, host activate: the host's half of enrolling its TPM: root on the host, or an administrator.
 */
#include "transport.h"

#include <string.h>

const struct verb_option endorsement_options[] = {
    {"output", 'o', "FILE", "where to; - means standard output"},
    {0},
};

static int run(const char *verb, const char *challenge, const char *output) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_free_ char *text = NULL;
    struct cvm_error e = {""};
    int r = transport_open(verb, &t);

    if (r == 0)
        r = t->ops->enrolment(t, verb, challenge, &text);
    if (r != 0)
        return r;
    if (cvm_write_file(output, text, strlen(text), &e) < 0)
        return fail(verb, EXIT_FAILED, "%s", e.text);
    return wrote(output);
}

static const char *parse_output(int argc, char **argv) {
    const char *output = NULL;
    int c;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == 'o')
            output = optarg;
    return output;
}

int verb_endorsement(int argc, char **argv) {
    const char *output = parse_output(argc, argv);

    return output ? run(argv[0], NULL, output)
                  : usage_error(argv[0], "--output is missing");
}

int verb_activate(int argc, char **argv) {
    const char *output = parse_output(argc, argv);
    _cleanup_free_ char *challenge = NULL;
    struct cvm_error e = {""};
    size_t size = 0;

    if (!output)
        return usage_error(argv[0], "--output is missing");
    if (cvm_read_file(argv[optind], 65536, (void **)&challenge, &size, &e) < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    if (strlen(challenge) != size)
        return fail(argv[0], EXIT_FAILED, "'%s' is no challenge: it has a NUL byte in it", argv[optind]);
    return run(argv[0], challenge, output);
}
