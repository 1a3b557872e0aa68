/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl list, cvmctl show */
#include "machine-fields.h"

#include "member.h"
#include "transport.h"

#include <stdio.h>
#include <string.h>

static const struct field fields[] = {
    {"Name", "name", "Name", FORMAT_PLAIN},
    {"UUID", "uuid", "UUID", FORMAT_PLAIN},
    {"State", "state", "State", FORMAT_PLAIN},
    {"Reason", "reason", "Reason", FORMAT_PLAIN},
    {"ProtectionLevel", "protection_level", "Protection", FORMAT_PLAIN},
    {"LaunchDigest", "launch_digest", "Launch measurement", FORMAT_PLAIN},
    {"Memory", "memory", "Memory", FORMAT_BYTES},
    {"MemoryBacking", "memory_backing", "Memory backing", FORMAT_PLAIN},
    {"VCPUs", "vcpus", "vCPUs", FORMAT_PLAIN},
    {"CommandLine", "cmdline", "Command line", FORMAT_PLAIN},
    {"Initrd", "initrd", "Initrd", FORMAT_YES_NO},
    {"KernelImage", "kernel_image", "Kernel image", FORMAT_PLAIN},
    {"InitrdImage", "initrd_image", "Initrd image", FORMAT_PLAIN},
    {"Description", "description", "Description", FORMAT_PLAIN},
    {"Labels", "labels", "Labels", FORMAT_LIST},
    {"Autostart", "autostart", "Autostart", FORMAT_YES_NO},
    {"Restart", "restart", "Restart", FORMAT_PLAIN},
    {"CPUShares", "cpu_shares", "CPU shares", FORMAT_PLAIN},
    {"CPUQuota", "cpu_quota", "CPU quota (%)", FORMAT_PLAIN},
    {"IOWeight", "io_weight", "I/O weight", FORMAT_PLAIN},
    {"Network", "network", "Network", FORMAT_PLAIN},
    {"Disks", "disks", "Disks", FORMAT_LIST},
    {"RestartNeeded", "restart_needed", "Changes wait for a start", FORMAT_YES_NO},
    {"Console", "console", "Console", FORMAT_PLAIN},
    {"Created", "created", "Created", FORMAT_TIME},
    {"Started", "started", "Started", FORMAT_TIME},
    {"Ended", "ended", "Ended", FORMAT_TIME},
    {"VM", "vm_id", "", FORMAT_JSON_ONLY},
    {"Frames", "frames", "Private frames", FORMAT_FRAMES},
    {"CPUTime", "cpu_time", "CPU time (ns)", FORMAT_PLAIN},
    {"Resident", "resident", "In memory", FORMAT_BYTES},
    {"Exits", "exits", "Exits", FORMAT_PLAIN},
    {"Reflected", "reflected", "Reflected to KVM", FORMAT_PLAIN},
    {"Upcalls", "upcalls", "Guardian upcalls", FORMAT_PLAIN},
    {"Sealed", "sealed", "Pages sealed", FORMAT_PLAIN},
    {"Unsealed", "unsealed", "Pages unsealed", FORMAT_PLAIN},
    {"Taken", "taken", "Frames taken", FORMAT_PLAIN},
    {"Returned", "returned", "Frames returned", FORMAT_PLAIN},
    {"Injected", "injected", "Interrupts injected", FORMAT_PLAIN},
    {"ExitsByReason", "exits_by_reason", "Exits by reason", FORMAT_LIST},
};

json_object *machine_to_json(json_object *properties) {
    return fields_to_json(fields, ELEMENTSOF(fields), properties);
}

static int add_row(struct libscols_table *t, json_object *p) {
    _cleanup_free_ char *memory = format_value(FORMAT_BYTES, json_object_object_get(p, "Memory"));
    const char *cells[] = {member_text(p, "Name"),
                           member_text(p, "State"),
                           member_text(p, "ProtectionLevel"),
                           memory ?: "",
                           member_text(p, "VCPUs"),
                           member_text(p, "Frames"),
                           member_text(p, "Exits"),
                           member_text(p, "Reason")};

    return table_add(t, cells, ELEMENTSOF(cells), 1, state_colour(member_text(p, "State")));
}

enum { OPT_STATE = OPTION_LONG };

#define STATES "starting|running|paused|stopping|stopped|failed"

const struct verb_option list_options[] = {
    {"state", OPT_STATE, STATES, "only those in this state"},
    {0},
};

int verb_list(int argc, char **argv) {
    static const char *const columns[] = {"NAME",   "STATE", "PROTECTION", "MEMORY", "VCPUS",
                                          "FRAMES", "EXITS", "REASON",     NULL};
    _cleanup_json_ json_object *all = NULL, *out = json_object_new_array();
    _cleanup_transport_ struct transport *t = NULL;
    struct libscols_table *table;
    const char *state = NULL;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_STATE)
            state = optarg;
    if (state && !is_one_of(state, STATES))
        return fail(argv[0], EXIT_USAGE, "--state '%s' is none of: %s", state, STATES);
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->list(t, argv[0], OBJECT_MACHINE, &all);
    if (r != 0)
        return r;
    table = table_new(columns);
    if (!table)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    json_array_sort_by(all, "Name");
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        json_object *p = json_object_array_get_idx(all, i);

        if (state && strcmp(member_text(p, "State"), state) != 0)
            continue;
        json_object_array_add(out, machine_to_json(p));
        if (arg_quiet && !arg_json)
            puts(member_text(p, "Name"));
        if (add_row(table, p) < 0)
            return fail(argv[0], EXIT_FAILED, "out of memory");
    }
    return table_or_json(table, out, "No machines.");
}

int verb_show(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *p = NULL, *o = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->get(t, argv[0], OBJECT_MACHINE, argv[optind], &p);
    if (r != 0)
        return r;
    if (arg_json) {
        o = machine_to_json(p);
        return print_json(o);
    }
    return fields_print(fields, ELEMENTSOF(fields), p);
}
