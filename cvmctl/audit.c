/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl audit */
#include "audit.h"
#include "event.h"
#include "member.h"
#include "output.h"
#include "transport.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>

static int add_rows(struct libscols_table *t, json_object *all) {
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        json_object *e = json_object_array_get_idx(all, i), *when = NULL;
        char time[TIME_MAX_SIZE];
        const char *event = member_text(e, "event"),
                   *cells[] = {NULL,  member_text(e, "source"),  member_text(e, "machine"),
                               event, member_text(e, "message"), member_text(e, "who")};
        bool bad = strcmp(event, "vm-stopped") == 0 || strcmp(event, "failed") == 0 || strcmp(event, "denied") == 0;

        json_object_object_get_ex(e, "time", &when);
        cells[0] = format_time(json_object_get_uint64(when), time);
        if (table_add(t, cells, ELEMENTSOF(cells), 3, bad ? "red" : NULL) < 0)
            return fail("audit", EXIT_FAILED, "out of memory");
    }
    return 0;
}

static int print_entries(json_object *all) {
    static const char *const columns[] = {"TIME", "SOURCE", "MACHINE", "EVENT", "MESSAGE", "WHO", NULL};
    struct libscols_table *t;
    int r;

    if (arg_quiet) {
        for (size_t i = 0; i < json_object_array_length(all); i++)
            puts(member_text(json_object_array_get_idx(all, i), "id"));
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
    }
    if (json_object_array_length(all) == 0) {
        puts("No events.");
        return EXIT_OK;
    }
    t = table_new(columns);
    if (!t)
        return fail("audit", EXIT_FAILED, "out of memory");
    r = add_rows(t, all);
    return r ?: table_print(t);
}

static int print_entries_json(json_object *all) {
    _cleanup_json_ json_object *out = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(all); i++)
        json_object_array_add(out, event_to_json(json_object_array_get_idx(all, i)));
    return print_json(out);
}

enum { OPT_AFTER = OPTION_LONG, OPT_LIMIT };

static int verb_audit(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *all = NULL;
    uint64_t after = 0, limit = 0;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_AFTER:
            if (parse_number(optarg, 0, INT64_MAX, &after) < 0)
                return usage_error(argv[0], "--after %s is no event id", optarg);
            break;
        case OPT_LIMIT:
            if (parse_number(optarg, 1, UINT32_MAX, &limit) < 0)
                return usage_error(argv[0], "--limit %s is no number from 1 on", optarg);
            break;
        }
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->audit(t, argv[0], after, optind < argc ? argv[optind] : "", (uint32_t)limit, &all);
    if (r != 0)
        return r;
    return arg_json ? print_entries_json(all) : print_entries(all);
}

static const struct verb_option audit_options[] = {
    {"after", OPT_AFTER, "ID", "only events behind this id"},
    {"limit", OPT_LIMIT, "N", "at most N events"},
    {0},
};

const struct verb audit_verbs[] = {
    {.name = "audit",
     .arguments = "[MACHINE]",
     .summary = "list security events",
     .run = verb_audit,
     .text = "Lists security events of RootVisor and actions of cvmd, oldest first; only those of MACHINE if "
             "given.",
     .options = {audit_options},
     .remote = true},
    {.name = "audit list",
     .arguments = "[MACHINE]",
     .summary = "the same",
     .run = verb_audit,
     .options = {audit_options},
     .remote = true},
    {.name = "audit export",
     .arguments = "FILE",
     .summary = "write the log as a file that anybody can verify",
     .run = verb_audit_export,
     .text = "Writes JSON lines: a head with the signed checkpoint, the entries, an end. Before that cvmd has\n"
             "RootVisor sign its own log. - means standard output.",
     .options = {audit_export_options},
     .remote = true},
    {.name = "audit verify",
     .arguments = "FILE",
     .summary = "judge an export or a proof (needs no host)",
     .run = verb_audit_verify,
     .text = "Says what was dropped, edited, reordered, put in, cut off or rewritten, and where.",
     .options = {audit_verify_options},
     .statuses = audit_verify_statuses,
     .remark = "--key FILE"},
    {.name = "audit key",
     .arguments = "",
     .summary = "print the public key of the log",
     .run = verb_audit_key,
     .text = "NAME+HASH+BASE64, as C2SP signed notes have it. Keep it when you trust the host.",
     .options = {audit_output_options},
     .remote = true},
    {.name = "audit checkpoint",
     .arguments = "",
     .summary = "fetch a signed checkpoint of the log",
     .run = verb_audit_checkpoint,
     .text = "Kept elsewhere, it finds every later change of what the log says now (`audit verify --checkpoint`).",
     .options = {audit_output_options},
     .remote = true},
    {.name = "audit prove",
     .arguments = "INDEX",
     .summary = "fetch the proof that an entry is in the log",
     .run = verb_audit_prove,
     .options = {audit_output_options},
     .remote = true},
    {.name = "audit consistency",
     .arguments = "SIZE",
     .summary = "fetch the proof that the log goes on from an older one",
     .run = verb_audit_consistency,
     .text = "SIZE is that of an older checkpoint: its second line.",
     .options = {audit_output_options},
     .remote = true},
    {0},
};
