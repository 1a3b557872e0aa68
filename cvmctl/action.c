/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl start, stop, kill, pause, resume, reboot, delete: one method of cvmd each, on one machine.
 */
#include "machine-fields.h"
#include "operation.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct verb_option stop_options[] = {
    {"force", 'f', NULL, "end it at once"},
    {0},
};
const struct verb_option delete_options[] = {
    {"yes", 'y', NULL, "do not ask, even on a terminal"},
    {0},
};

static const struct {
    const char *verb, *method;
    const char *said; /* of a machine, when it is done */
} actions[] = {
    {"start", "Start", "runs"},         {"stop", "Stop", "is stopped"},  {"kill", "Kill", "is ended"},
    {"pause", "Pause", "is paused"},    {"resume", "Resume", "runs on"}, {"reboot", "Reboot", "boots anew"},
    {"delete", "Delete", "is deleted"},
};

/* Asks on a terminal; who is none has said so by calling it. -1 to go on, or the exit status. */
static int confirm(const char *name) {
    char answer[16] = "";

    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return -1;
    fprintf(stderr, "Delete machine '%s' and all its files? [y/N] ", name);
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return -1;
    return fail("delete", EXIT_FAILED, "not deleted");
}

static int print_result(struct transport *t, const char *verb, const char *name, json_object *operation,
                        bool gone) {
    _cleanup_json_ json_object *p = NULL, *o = NULL;
    int r;

    if (gone) {
        o = json_object_new_object();
        json_object_object_add(o, "deleted", json_object_new_string(name));
        return print_json(o);
    }
    if (operation)
        o = operation_to_json(operation);
    else {
        r = t->ops->get(t, verb, OBJECT_MACHINE, name, &p);
        if (r != 0)
            return r;
        o = machine_to_json(p);
    }
    return print_json(o);
}

int verb_action(int argc, char **argv) {
    _cleanup_json_ json_object *operation = NULL;
    _cleanup_transport_ struct transport *t = NULL;
    struct request q = {.verb = argv[0]};
    bool wait = true, yes = false;
    size_t i = 0;
    int c, r;

    while (strcmp(actions[i].verb, argv[0]) != 0)
        i++;
    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case 'f':
            q.force = true;
            break;
        case 'y':
            yes = true;
            break;
        case OPT_NO_WAIT:
            wait = false;
            break;
        }
    q.method = actions[i].method;
    q.name = argv[optind];
    if (strcmp(argv[0], "delete") == 0 && !yes) {
        r = confirm(q.name);
        if (r >= 0)
            return r;
    }
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = operation_run(t, &q, wait, &operation);
    if (r != 0)
        return r;
    if (arg_json)
        return print_result(t, argv[0], q.name, wait ? NULL : operation,
                            wait && strcmp(argv[0], "delete") == 0);
    if (!wait && operation)
        print_operation_id(operation);
    else
        say("Machine '%s' %s.\n", q.name, actions[i].said);
    return EXIT_OK;
}
