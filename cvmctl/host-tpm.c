/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl host endorsement, host activate: the host's half of enrolling its TPM. Root, on the host's own bus.
 */
#include "client.h"
#include "transport.h"

#include <string.h>

const struct verb_option endorsement_options[] = {
    {"output", 'o', "FILE", "where to; - means standard output"},
    {0},
};

/* Calls a method of the Host that gives a text, and writes that to a file. */
static int call(const char *verb, const char *member, const char *argument, const char *output) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_transport_ struct transport *t = NULL;
    struct cvm_error e = {""};
    const char *text;
    int r;

    r = transport_open(verb, &t);
    if (r != 0)
        return r;
    if (!transport_bus(t))
        return fail(verb, EXIT_FAILED, "this runs on the host itself, not through --host");
    r = sd_bus_message_new_method_call(transport_bus(t), &m, "org.cvmd1", "/org/cvmd1/host", "org.cvmd1.Host",
                                       member);
    if (r >= 0 && argument)
        r = sd_bus_message_append(m, "s", argument);
    if (r >= 0)
        r = sd_bus_call(transport_bus(t), m, CLIENT_TIMEOUT_USEC, &error, &reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &text);
    if (r < 0)
        return client_fail(verb, r, &error);
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

    return output ? call(argv[0], "GetEndorsement", NULL, output)
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
    return call(argv[0], "ActivateCredential", challenge, output);
}
