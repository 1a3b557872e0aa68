/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl host */
#include "deploy.h"
#include "member.h"
#include "output.h"
#include "transport.h"

#include <stdio.h>
#include <string.h>

static const struct field fields[] = {
    {"ProtectionLevel", "protection_level", "Protection", FORMAT_PLAIN},
    {"ProtectionReason", "protection_reason", "Why none", FORMAT_PLAIN},
    {"RootVisorVersion", "rootvisor_version", "RootVisor", FORMAT_PLAIN},
    {"RootVisorSVN", "rootvisor_svn", "RootVisor SVN", FORMAT_PLAIN},
    {"RootVisorDigest", "rootvisor_digest", "RootVisor digest", FORMAT_PLAIN},
    {"GuardianSVN", "guardian_svn", "Guardian SVN", FORMAT_PLAIN},
    {"GuardianDigest", "guardian_digest", "Guardian digest", FORMAT_PLAIN},
    {"ReportKey", "report_key", "", FORMAT_JSON_ONLY},
    {"CPUModel", "cpu_model", "CPU", FORMAT_PLAIN},
    {"CPUs", "cpus", "CPUs", FORMAT_PLAIN},
    {"Features", "features", "Features", FORMAT_LIST},
    {"MemoryBacking", "memory_backing", "Guest memory", FORMAT_PLAIN},
    {"Devices", "devices", "Devices", FORMAT_PLAIN},
    {"RamFrames", "ram_frames", "RAM frames", FORMAT_FRAMES},
    {"RootVisorFrames", "rootvisor_frames", "RootVisor frames", FORMAT_FRAMES},
    {"PrivateFrames", "private_frames", "Private frames", FORMAT_FRAMES},
    {"PoolFramesFree", "pool_frames_free", "Free in pool", FORMAT_FRAMES},
    {"VMs", "vms", "Protected VMs", FORMAT_PLAIN},
    {"UptimeTSC", "uptime_tsc", "", FORMAT_JSON_ONLY},
    {"TSCKHz", "tsc_khz", "", FORMAT_JSON_ONLY},
    {"UptimeSeconds", "uptime_seconds", "Uptime (s)", FORMAT_PLAIN},
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

/* Without RootVisor all that follows is 0 and would only mislead. */
static const struct field fields_none[] = {
    {"ProtectionLevel", "protection_level", "Protection", FORMAT_PLAIN},
    {"ProtectionReason", "protection_reason", "Why none", FORMAT_PLAIN},
    {"MemoryBacking", "memory_backing", "Guest memory", FORMAT_PLAIN},
};

/* A gateway elsewhere may answer anything. */
static bool is_text(json_object *o, const char *text) {
    return json_object_is_type(o, json_type_string) && strcmp(json_object_get_string(o), text) == 0;
}

/* DMA does not fault: what RootVisor keeps from the host's CPUs a device reads all the same, unless VT-d
 * confines it. */
static const char *devices(json_object *host) {
    json_object *features = NULL;

    json_object_object_get_ex(host, "Features", &features);
    if (json_object_is_type(features, json_type_array))
        for (size_t i = 0; i < json_object_array_length(features); i++)
            if (is_text(json_object_array_get_idx(features, i), "vt-d"))
                return "confined";
    return "not confined: without VT-d one that the host commands reads and writes private memory";
}

static int verb_host(int argc, char **argv) {
    _cleanup_json_ json_object *p = NULL, *o = NULL;
    _cleanup_transport_ struct transport *t = NULL;
    json_object *level = NULL;
    uint64_t khz;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->get(t, argv[0], OBJECT_HOST, NULL, &p);
    if (r != 0)
        return r;
    khz = member_number(p, "TSCKHz");
    if (khz) {
        uint64_t s = member_number(p, "UptimeTSC") / khz / 1000;

        json_object_object_add(p, "UptimeSeconds", json_object_new_uint64(s));
    }
    if (json_object_object_get_ex(p, "ProtectionLevel", &level) && is_text(level, "protected"))
        json_object_object_add(p, "Devices", json_object_new_string(devices(p)));
    if (arg_json) {
        o = fields_to_json(fields, ELEMENTSOF(fields), p);
        return print_json(o);
    }
    if (khz == 0)
        return fields_print(fields_none, ELEMENTSOF(fields_none), p);
    return fields_print(fields, ELEMENTSOF(fields), p);
}

static const struct verb_status deploy_statuses[] = {
    {EXIT_OK, "deployed, or with --check: nothing stands in the way"},
    {EXIT_FAILED, "failure; one line on standard error says what is wrong"},
    {EXIT_USAGE, "usage"},
    {EXIT_REFUSED, "a check says that this host cannot start RootVisor; nothing was changed"},
    {-1},
};

const struct verb host_verbs[] = {
    {.name = "host",
     .arguments = "",
     .summary = "tell what protects this host, and its counters",
     .run = verb_host,
     .text = "Tells whether RootVisor protects this host, what it is, the memory it owns, what its devices "
             "can reach, and its exit\n"
             "counters.",
     .remote = true},
    {.name = "host show", .arguments = "", .summary = "the same", .run = verb_host, .remote = true},
    {.name = "host endorsement",
     .arguments = "",
     .summary = "what a tenant needs to enrol this host's TPM",
     .run = verb_endorsement,
     .text = "Certificate of the TPM's endorsement key, that key and the attestation key, for `cvmctl enrol "
             "make-credential`.",
     .options = {endorsement_options},
     .remark = "-o FILE",
     .remote = true},
    {.name = "host activate",
     .arguments = "FILE",
     .summary = "have this host's TPM open a tenant's challenge",
     .run = verb_activate,
     .options = {endorsement_options},
     .remark = "-o FILE",
     .remote = true},
    {.name = "host deploy",
     .arguments = "",
     .summary = "let GRUB start RootVisor below Linux",
     .run = verb_host_deploy,
     .text = "Checks the host, copies RootVisor and Guardian to /boot/cvmd, adds entries to GRUB's menu, and "
             "lets the next\n"
             "boot start the first of them. What was started so far stays the default until --boot always. "
             "Repeated, it\n"
             "changes nothing; killed, it leaves the host bootable, and the next run ends what it began.",
     .options = {deploy_options, root_options},
     .statuses = deploy_statuses},
    {.name = "host status",
     .arguments = "",
     .summary = "tell what is deployed, and what stands in the way",
     .run = verb_host_status,
     .options = {root_options}},
    {.name = "host undeploy",
     .arguments = "",
     .summary = "take RootVisor out of GRUB's menu and /boot",
     .run = verb_host_undeploy,
     .options = {root_options}},
    {0},
};
