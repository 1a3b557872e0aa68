/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl report */
#include "output.h"
#include "transport.h"

#include "cvm/report.h"

#include <stdio.h>
#include <string.h>

struct report_options {
    const char *name, *output;
    uint8_t nonce[NONCE_SIZE];
    bool raw;
};

enum { OPT_NONCE = OPTION_LONG, OPT_RAW };

const struct verb_option report_options[] = {
    {"nonce", OPT_NONCE, "HEX|FILE", "64 bytes of your choice, fresh each time"},
    {"output", 'o', "FILE", "where to; - means standard output"},
    {"raw", OPT_RAW, NULL, "the bare report (binary), without the key to check it with"},
    {0},
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct report_options *o) {
    struct cvm_error e = {0};
    const char *nonce = NULL;
    int c;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_NONCE:
            nonce = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        case OPT_RAW:
            o->raw = true;
            break;
        }
    o->name = argv[optind];
    if (!nonce || !o->output)
        return usage_error(argv[0], "--%s is missing", nonce ? "output" : "nonce");
    if (parse_nonce(nonce, o->nonce, &e) < 0)
        return usage_error(argv[0], "%s", e.text);
    return -1;
}

int verb_report(int argc, char **argv) {
    _cleanup_json_ json_object *j = NULL;
    _cleanup_free_ char *evidence = NULL;
    _cleanup_transport_ struct transport *t = NULL;
    struct report_options o = {0};
    struct cvm_report report;
    struct cvm_error e = {0};
    int r;

    r = parse_options(argc, argv, &o);
    if (r >= 0)
        return r;
    r = transport_open(argv[0], &t);
    if (r == 0 && o.raw)
        r = t->ops->report(t, argv[0], o.name, o.nonce, &report, sizeof(report));
    else if (r == 0)
        r = t->ops->evidence(t, argv[0], o.name, o.nonce, &evidence);
    if (r != 0)
        return r;
    if (o.raw)
        r = cvm_write_file(o.output, &report, sizeof(report), &e);
    else
        r = cvm_write_file(o.output, evidence, strlen(evidence), &e);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    if (strcmp(o.output, "-") == 0)
        return EXIT_OK;
    if (arg_json) {
        j = json_object_new_object();
        json_object_object_add(j, "name", json_object_new_string(o.name));
        json_object_object_add(j, "file", json_object_new_string(o.output));
        json_object_object_add(j, "format", json_object_new_string(o.raw ? "report" : "evidence"));
        return print_json(j);
    }
    say("Report of '%s' written to %s.\n", o.name, o.output);
    return EXIT_OK;
}
