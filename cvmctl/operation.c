/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operation.h"

#include "member.h"
#include "output.h"
#include "progress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

const struct verb_option wait_options[] = {
    {"wait", OPT_WAIT, NULL, "return when it is done (the default)"},
    {"no-wait", OPT_NO_WAIT, NULL, "return when cvmd has taken it, and print the operation's id"},
    {0},
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig) {
    (void)sig;
    interrupted = 1;
}

/* Its end as an exit status. */
static int verdict(const char *verb, json_object *p) {
    const char *state = member_text(p, "State");
    int status;

    if (strcmp(state, "done") == 0)
        return EXIT_OK;
    if (strcmp(state, "cancelled") == 0)
        return fail(verb, EXIT_FAILED, "cancelled%s%s", member_text(p, "Message")[0] ? ": " : "",
                    member_text(p, "Message"));
    status = error_status(member_text(p, "Error"));
    return fail(verb, status == EXIT_OK ? EXIT_FAILED : status, "%s",
                member_text(p, "Message")[0] ? member_text(p, "Message") : member_text(p, "Error"));
}

bool operation_is_done(json_object *p) {
    return strcmp(member_text(p, "State"), "done") == 0;
}

static bool has_ended(json_object *p) {
    const char *state = member_text(p, "State");

    return strcmp(state, "pending") != 0 && strcmp(state, "running") != 0;
}

#define POLL_USEC 1000000u /* a signal comes earlier */

static int follow(struct transport *t, const char *verb, const char *id, struct progress *bar,
                  json_object **ret) {
    for (;;) {
        _cleanup_json_ json_object *p = NULL;
        int r = t->ops->get(t, verb, OBJECT_OPERATION, id, &p);

        if (r != 0)
            return r;
        progress_update(bar, member_number(p, "Done"), member_number(p, "Total"), member_text(p, "Unit"));
        if (has_ended(p)) {
            *ret = json_object_get(p);
            return 0;
        }
        if (!interrupted)
            r = t->ops->wait(t, verb, bar->tty ? POLL_USEC / 4 : POLL_USEC);
        if (r != 0)
            return r;
        if (interrupted) {
            progress_end(bar);
            return fail(verb, EXIT_FAILED,
                        "interrupted; it goes on: see 'cvmctl operations wait %s', or end it with "
                        "'cvmctl operations cancel %s'",
                        id, id);
        }
    }
}

int operation_wait(struct transport *t, const char *verb, const char *id, json_object **result) {
    struct sigaction old, sa = {.sa_handler = on_interrupt};
    _cleanup_json_ json_object *p = NULL;
    struct progress bar;
    int r;

    /* Before it is looked at for the first time: no change is missed. */
    r = t->ops->wait(t, verb, 0);
    if (r != 0)
        return r;
    progress_begin(&bar, verb);
    sigaction(SIGINT, &sa, &old);
    r = follow(t, verb, id, &bar, &p);
    sigaction(SIGINT, &old, NULL);
    progress_end(&bar);
    if (r == 0)
        r = verdict(verb, p);
    if (result)
        *result = json_object_get(p);
    return r;
}

int operation_run(struct transport *t, const struct request *q, bool wait, json_object **result) {
    _cleanup_free_ char *id = NULL;
    int r;

    if (result)
        *result = NULL;
    r = t->ops->call(t, q, &id);
    if (r != 0 || !id)
        return r;
    if (wait)
        return operation_wait(t, q->verb, id, result);
    if (result)
        return t->ops->get(t, q->verb, OBJECT_OPERATION, id, result);
    return 0;
}

static const struct field fields[] = {
    {"Id", "id", "Operation", FORMAT_PLAIN},         {"Kind", "kind", "Kind", FORMAT_PLAIN},
    {"Machine", "machine", "Machine", FORMAT_PLAIN}, {"State", "state", "State", FORMAT_PLAIN},
    {"Done", "done", "Done", FORMAT_PLAIN},          {"Total", "total", "Of", FORMAT_PLAIN},
    {"Unit", "unit", "Unit", FORMAT_PLAIN},          {"Error", "error", "Error", FORMAT_PLAIN},
    {"Message", "message", "Message", FORMAT_PLAIN}, {"Created", "created", "Created", FORMAT_TIME},
    {"Started", "started", "Started", FORMAT_TIME},  {"Ended", "ended", "Ended", FORMAT_TIME},
    {"Who", "who", "Asked by", FORMAT_PLAIN},        {"Result", "result", "Result", FORMAT_LIST},
};

json_object *operation_to_json(json_object *p) {
    return fields_to_json(fields, ELEMENTSOF(fields), p);
}

void print_operation_id(json_object *p) {
    puts(member_text(p, "Id"));
}

static const char *operation_colour(const char *state) {
    return strcmp(state, "done") == 0      ? "green"
           : strcmp(state, "failed") == 0  ? "red"
           : strcmp(state, "running") == 0 ? "yellow"
                                           : NULL;
}

enum { OPT_ACTIVE = OPTION_LONG, OPT_MACHINE, OPT_STATE, OPT_KIND };

#define STATES "pending|running|done|failed|cancelled"
#define KINDS "launch|define|set|start|stop|kill|pause|resume|reboot|delete|import-image|delete-image|collect-images"

struct filter {
    const char *machine, *state, *kind; /* or NULL */
    bool active;
};

static bool passes(const struct filter *f, json_object *p) {
    return !(f->active && has_ended(p)) &&
           (!f->machine || strcmp(member_text(p, "Machine"), f->machine) == 0) &&
           (!f->state || strcmp(member_text(p, "State"), f->state) == 0) &&
           (!f->kind || strcmp(member_text(p, "Kind"), f->kind) == 0);
}

static int add_row(struct libscols_table *t, json_object *p) {
    char progress[32], time[TIME_MAX_SIZE];
    const char *cells[] = {member_text(p, "Id"),
                           member_text(p, "Kind"),
                           member_text(p, "Machine"),
                           member_text(p, "State"),
                           progress,
                           time,
                           member_text(p, "Message")};

    progress_text(member_number(p, "Done"), member_number(p, "Total"), member_text(p, "Unit"), progress,
                  sizeof(progress));
    format_time(member_number(p, "Created"), time);
    return table_add(t, cells, ELEMENTSOF(cells), 3, operation_colour(cells[3]));
}

static int verb_operations_list(int argc, char **argv) {
    static const char *const columns[] = {"ID",       "KIND",    "MACHINE", "STATE",
                                          "PROGRESS", "CREATED", "MESSAGE", NULL};
    _cleanup_json_ json_object *all = NULL, *out = json_object_new_array();
    _cleanup_transport_ struct transport *t = NULL;
    struct libscols_table *table;
    struct filter f = {0};
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_ACTIVE:
            f.active = true;
            break;
        case OPT_MACHINE:
            f.machine = optarg;
            break;
        case OPT_STATE:
            f.state = optarg;
            break;
        case OPT_KIND:
            f.kind = optarg;
            break;
        }
    if (f.state && !is_one_of(f.state, STATES))
        return fail(argv[0], EXIT_USAGE, "--state '%s' is none of: %s", f.state, STATES);
    if (f.kind && !is_one_of(f.kind, KINDS))
        return fail(argv[0], EXIT_USAGE, "--kind '%s' is none of: %s", f.kind, KINDS);
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->list(t, argv[0], OBJECT_OPERATION, &all);
    if (r != 0)
        return r;
    table = table_new(columns);
    if (!table)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    json_array_sort_by(all, "Id");
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        json_object *p = json_object_array_get_idx(all, i);

        if (!passes(&f, p))
            continue;
        json_object_array_add(out, operation_to_json(p));
        if (arg_quiet && !arg_json)
            puts(member_text(p, "Id"));
        if (add_row(table, p) < 0)
            return fail(argv[0], EXIT_FAILED, "out of memory");
    }
    return table_or_json(table, out, "No operations.");
}

static int print_operation(json_object *p) {
    _cleanup_json_ json_object *o = operation_to_json(p);

    return arg_json ? print_json(o) : fields_print(fields, ELEMENTSOF(fields), p);
}

static int verb_operations_show(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *p = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->get(t, argv[0], OBJECT_OPERATION, argv[optind], &p);
    return r ?: print_operation(p);
}

static int verb_operations_cancel(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *p = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->cancel(t, argv[0], argv[optind]);
    if (r == 0 && arg_json)
        r = t->ops->get(t, argv[0], OBJECT_OPERATION, argv[optind], &p) ?: print_operation(p);
    else if (r == 0)
        say("Operation %s is asked to end.\n", argv[optind]);
    return r;
}

static int verb_operations_wait(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *p = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = operation_wait(t, argv[0], argv[optind], &p);
    if (p && arg_json)
        print_operation(p);
    else if (r == 0)
        say("Operation %s is done.\n", argv[optind]);
    return r;
}

static const struct verb_option operations_list_options[] = {
    {"active", OPT_ACTIVE, NULL, "only those that have not ended"},
    {"machine", OPT_MACHINE, "MACHINE", "only those of this machine"},
    {"state", OPT_STATE, STATES, "only those in this state"},
    {"kind", OPT_KIND, KINDS, "only those of this kind"},
    {0},
};

const struct verb operation_verbs[] = {
    {.name = "operations list",
     .arguments = "",
     .summary = "list what runs, and what ended not long ago",
     .run = verb_operations_list,
     .text = "Ended operations are kept for OperationKeepSec= of cvmd.conf(5).",
     .options = {operations_list_options},
     .remote = true},
    {.name = "operations show",
     .arguments = "OPERATION",
     .summary = "tell all about an operation",
     .run = verb_operations_show,
     .remote = true},
    {.name = "operations wait",
     .arguments = "OPERATION",
     .summary = "return when an operation ends, with its status",
     .run = verb_operations_wait,
     .remote = true},
    {.name = "operations cancel",
     .arguments = "OPERATION",
     .summary = "ask an operation to end",
     .run = verb_operations_cancel,
     .remote = true},
    {0},
};
