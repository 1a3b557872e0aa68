/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl audit */
#include "audit.h"
#include "client.h"
#include "output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENTRY "ttssssusss"

struct entry {
    uint64_t id, time, seq;
    const char *source, *machine, *uuid, *event, *reason, *message, *who;
    uint32_t code;
    const uint64_t *args;
    size_t args_size;
};

/* Returns 1, 0 at the end, or a negative errno. */
static int read_entry(sd_bus_message *m, struct entry *e) {
    int r;

    r = sd_bus_message_enter_container(m, 'r', ENTRY "att");
    if (r <= 0)
        return r;
    r = sd_bus_message_read(m, ENTRY, &e->id, &e->time, &e->source, &e->machine, &e->uuid, &e->event,
                            &e->code, &e->reason, &e->message, &e->who);
    if (r >= 0)
        r = sd_bus_message_read_array(m, 't', (const void **)&e->args, &e->args_size);
    if (r >= 0)
        r = sd_bus_message_read(m, "t", &e->seq);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    return r < 0 ? r : 1;
}

static json_object *entry_to_json(const struct entry *e) {
    json_object *o = json_object_new_object(), *args = json_object_new_array();
    char time[TIME_MAX_SIZE];

#define STRING(key, s) json_object_object_add(o, key, (s)[0] ? json_object_new_string(s) : NULL)
    json_object_object_add(o, "id", json_object_new_uint64(e->id));
    json_object_object_add(o, "time", json_object_new_string(format_time(e->time, time)));
    STRING("source", e->source);
    STRING("machine", e->machine);
    STRING("uuid", e->uuid);
    STRING("event", e->event);
    json_object_object_add(o, "reason_code", json_object_new_uint64(e->code));
    STRING("reason", e->reason);
    STRING("message", e->message);
    STRING("who", e->who);
    for (size_t i = 0; i < e->args_size / sizeof(uint64_t); i++)
        json_object_array_add(args, json_object_new_uint64(e->args[i]));
    json_object_object_add(o, "args", args);
    json_object_object_add(o, "seq", e->seq ? json_object_new_uint64(e->seq) : NULL);
#undef STRING
    return o;
}

static int print_entries(sd_bus_message *reply) {
    static const char *const columns[] = {"TIME", "SOURCE", "MACHINE", "EVENT", "MESSAGE", "WHO", NULL};
    struct libscols_table *t = table_new(columns);
    struct entry e;
    size_t n = 0;
    int r;

    if (!t)
        return fail("audit", EXIT_FAILED, "out of memory");
    while ((r = read_entry(reply, &e)) > 0) {
        char time[TIME_MAX_SIZE];
        const char *cells[] = {format_time(e.time, time), e.source, e.machine, e.event, e.message, e.who};
        bool bad = strcmp(e.event, "vm-stopped") == 0 || strcmp(e.event, "failed") == 0 ||
                   strcmp(e.event, "denied") == 0;

        if (table_add(t, cells, ELEMENTSOF(cells), 3, bad ? "red" : NULL) < 0)
            return fail("audit", EXIT_FAILED, "out of memory");
        n++;
    }
    if (r < 0)
        return client_fail("audit", r, NULL);
    if (n == 0) {
        puts("No events.");
        return EXIT_OK;
    }
    return table_print(t);
}

static int print_entries_json(sd_bus_message *reply) {
    _cleanup_json_ json_object *all = json_object_new_array();
    struct entry e;
    int r;

    while ((r = read_entry(reply, &e)) > 0)
        json_object_array_add(all, entry_to_json(&e));
    return r < 0 ? client_fail("audit", r, NULL) : print_json(all);
}

enum { OPT_AFTER = OPTION_LONG, OPT_LIMIT };

static int verb_audit(int argc, char **argv) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
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
    r = client_connect(argv[0], &bus);
    if (r == 0)
        r = client_call(argv[0], bus, "ReadAudit", CLIENT_TIMEOUT_USEC, &reply, "tsu", after,
                        optind < argc ? argv[optind] : "", (uint32_t)limit);
    if (r != 0)
        return r;
    r = sd_bus_message_enter_container(reply, 'a', "(" ENTRY "att)");
    if (r < 0)
        return client_fail(argv[0], r, NULL);
    return arg_json ? print_entries_json(reply) : print_entries(reply);
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
