/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl: the options before the verb, and the verbs about cvmctl itself.
 */
#include "cvmctl.h"
#include "output.h"

#include <locale.h>
#include <string.h>

static int verb_version(int argc, char **argv) {
    _cleanup_json_ json_object *o = NULL;

    (void)argc;
    (void)argv;
    if (!arg_json) {
        puts("cvmctl " CVMD_VERSION);
        return EXIT_OK;
    }
    o = json_object_new_object();
    json_object_object_add(o, "version", json_object_new_string(CVMD_VERSION));
    return print_json(o);
}

const struct verb about_verbs[] = {
    {.name = "help",
     .arguments = "[VERB] [WORD]",
     .summary = "tell about all verbs, or one",
     .run = verb_help,
     .text = "With --json the whole table: verbs, their options, exit statuses."},
    {.name = "completion",
     .arguments = "bash|zsh|fish",
     .summary = "print a completion script for a shell",
     .run = verb_completion,
     .text = "Installed packages have the scripts in place already. machines, images and operations print "
             "the names that\n"
             "the scripts offer.",
     .remote = true},
    {.name = "version", .arguments = "", .summary = "tell the version of cvmctl", .run = verb_version},
    {0},
};

/* Options before the verb; -1 to go on, or the exit status. */
static int parse_global(int argc, char **argv) {
    enum { OPT_VERSION = 1, OPT_JSON, OPT_PARSE_ONLY };
    struct option options[16] = {
        {"json", no_argument, NULL, OPT_JSON},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPT_VERSION},
        {"parse-only", no_argument, NULL, OPT_PARSE_ONLY},
    };
    size_t n = 5;
    int c, r;

    opterr = 0;
    for (const struct verb_option *o = remote_options; o->name && n + 1 < ELEMENTSOF(options); o++)
        options[n++] = (struct option){o->name, o->argument ? required_argument : no_argument, NULL, o->val};
    while ((c = getopt_long(argc, argv, "+:hq", options, NULL)) >= 0)
        switch (c) {
        case OPT_JSON:
            arg_json = true;
            break;
        case 'q':
            arg_quiet = true;
            break;
        case 'h':
            help_all(stdout);
            return EXIT_OK;
        case OPT_VERSION:
            puts("cvmctl " CVMD_VERSION);
            return EXIT_OK;
        case OPT_PARSE_ONLY:
            arg_parse_only = true;
            break;
        case ':':
            return usage_error("", "'%s' wants an argument", argv[optind - 1]);
        case '?':
            return optopt ? usage_error("", "there is no option '-%c' before a verb", optopt)
                          : usage_error("", "there is no option '%s' before a verb", argv[optind - 1]);
        default:
            r = remote_option_take(c, optarg);
            if (r >= 0)
                return r;
        }
    return -1;
}

int main(int argc, char **argv) {
    int r;

    setlocale(LC_ALL, "");
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        errors_as_json = errors_as_json || strcmp(argv[i], "--json") == 0;
    r = parse_global(argc, argv);
    if (r >= 0)
        return r;
    if (optind == argc) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    return verb_dispatch(argc - optind, argv + optind);
}
