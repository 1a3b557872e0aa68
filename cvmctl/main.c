/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl: the verb table and the global options.
 */
#include "cvmctl.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *arg_bus_address;
bool arg_json;

static int verb_help(int argc, char **argv);
static int verb_version(int argc, char **argv);

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *summary;
} verbs[] = {
    {"host", verb_host, "", "tell what protects this host, and its counters"},
    {"launch", verb_launch, "NAME --kernel FILE --memory SIZE [...]", "start a machine"},
    {"list", verb_list, "", "list the machines"},
    {"show", verb_show, "NAME", "tell all about a machine"},
    {"console", verb_console, "NAME [...]", "connect to a machine's console"},
    {"stop", verb_stop, "NAME [--force]", "stop a machine"},
    {"delete", verb_delete, "NAME", "forget a stopped machine"},
    {"audit", verb_audit, "[NAME]", "list security events"},
    {"report", verb_report, "NAME --nonce HEX|FILE -o FILE", "fetch a machine's signed report"},
    {"verify", verb_verify, "--report FILE --nonce HEX|FILE [...]", "judge a report (needs no host)"},
    {"digest", verb_digest, "--kernel FILE [...]", "compute the launch measurement from files"},
    {"policy", verb_policy, "init|check|sign|diff [...]", "what a tenant accepts, as a file"},
    {"help", verb_help, "[VERB]", "this text, or a verb's"},
    {"version", verb_version, "", "version of cvmctl"},
};

static void help(FILE *f) {
    fputs("cvmctl [OPTION...] VERB [...]\n\nRuns and judges protected virtual machines; see cvmctl(1).\n\n",
          f);
    for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
        fprintf(f, "  %-8s %-40s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
    fputs("\n  --json                output as JSON, with any verb\n"
          "  --bus-address=ADDR    talk to cvmd on this D-Bus bus\n"
          "  -h, --help            this text; behind a verb, the verb's\n"
          "      --version         version\n"
          "\nExit status: 0 success, 1 failure, 2 usage, 3 no such machine, 4 no daemon, 5 refused\n"
          "(verify has its own, see 'cvmctl verify --help').\n",
          f);
}

int fail(const char *verb, int status, const char *fmt, ...) {
    va_list ap;

    fprintf(stderr, "cvmctl %s: ", verb);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

int usage_error(const char *verb, const char *fmt, ...) {
    va_list ap;

    fprintf(stderr, "cvmctl %s: ", verb);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; see 'cvmctl %s --help'\n", verb);
    return EXIT_USAGE;
}

int check_arguments(int argc, char **argv, int min, int max) {
    if (argc - optind < min)
        return usage_error(argv[0], "the machine's name is missing");
    if (argc - optind > max)
        return usage_error(argv[0], "'%s' is one argument too many", argv[optind + max]);
    return -1;
}

int parse_simple(int argc, char **argv, const char *text, int min, int max, const struct option *flag,
                 bool *value) {
    struct option options[4] = {
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
    };
    int c;

    if (flag)
        options[2] = *flag;
    optind = 0;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
        if (c == 'j')
            arg_json = true;
        else if (c == 'h') {
            puts(text);
            return EXIT_OK;
        } else if (flag && c == flag->val)
            *value = true;
        else
            return EXIT_USAGE;
    }
    return check_arguments(argc, argv, min, max);
}

static const struct verb *find_verb(const char *name) {
    for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* Levenshtein distance of short words. */
static unsigned distance(const char *a, const char *b) {
    unsigned row[32], n = (unsigned)strlen(b);

    if (n >= ELEMENTSOF(row))
        return UINT32_MAX;
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 0; a[i]; i++) {
        unsigned diagonal = row[0];

        row[0] = i + 1;
        for (unsigned j = 0; j < n; j++) {
            unsigned best = diagonal + (a[i] != b[j]);

            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n];
}

static int unknown_verb(const char *name) {
    const struct verb *best = NULL;
    unsigned d = 3;

    for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
        unsigned k = distance(name, verbs[i].name);

        if (k < d) {
            d = k;
            best = &verbs[i];
        }
    }
    fprintf(stderr, "cvmctl: there is no verb '%s'", name);
    if (best)
        fprintf(stderr, "; did you mean '%s'?\n", best->name);
    else
        fputs("; see 'cvmctl help'\n", stderr);
    return EXIT_USAGE;
}

static int verb_help(int argc, char **argv) {
    const struct verb *v;
    char *verb_argv[3] = {NULL, (char *)"--help", NULL};

    if (argc < 2 || argv[1][0] == '-') {
        help(stdout);
        return EXIT_OK;
    }
    v = find_verb(argv[1]);
    if (!v)
        return unknown_verb(argv[1]);
    if (v->run == verb_help || v->run == verb_version) {
        printf("cvmctl %s %s\n\n%s\n", v->name, v->arguments, v->summary);
        return EXIT_OK;
    }
    verb_argv[0] = argv[1];
    return v->run(2, verb_argv);
}

static int verb_version(int argc, char **argv) {
    static const char help_text[] = "cvmctl version [--json]\n\nVersion of cvmctl.";
    _cleanup_json_ json_object *o = NULL;
    int r;

    r = parse_simple(argc, argv, help_text, 0, 0, NULL, NULL);
    if (r >= 0)
        return r;
    if (!arg_json) {
        puts("cvmctl " CVMD_VERSION);
        return EXIT_OK;
    }
    o = json_object_new_object();
    json_object_object_add(o, "version", json_object_new_string(CVMD_VERSION));
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
    return EXIT_OK;
}

/* Verbs that parse their options alone know --json as theirs. */
static bool parses_json_itself(const struct verb *v) {
    return v->run == verb_verify || v->run == verb_digest;
}

static int dispatch(int argc, char **argv) {
    const struct verb *v = find_verb(argv[0]);
    char **with_json;
    int r;

    if (!v)
        return unknown_verb(argv[0]);
    if (!arg_json || !parses_json_itself(v))
        return v->run(argc, argv);
    with_json = calloc((size_t)argc + 2, sizeof(*with_json));
    if (!with_json)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    with_json[0] = argv[0];
    with_json[1] = (char *)"--json";
    memcpy(with_json + 2, argv + 1, (size_t)(argc - 1) * sizeof(*argv));
    r = v->run(argc + 1, with_json);
    free(with_json);
    return r;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"bus-address", required_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {0},
    };
    int c;

    setlocale(LC_ALL, "");
    while ((c = getopt_long(argc, argv, "+h", options, NULL)) >= 0)
        switch (c) {
        case 'j':
            arg_json = true;
            break;
        case 'b':
            arg_bus_address = optarg;
            break;
        case 'h':
            help(stdout);
            return EXIT_OK;
        case 'v':
            puts("cvmctl " CVMD_VERSION);
            return EXIT_OK;
        default:
            return EXIT_USAGE;
        }
    if (optind == argc) {
        help(stderr);
        return EXIT_USAGE;
    }
    return dispatch(argc - optind, argv + optind);
}
