/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fields.h"

#include "parse.h"

#include <errno.h>
#include <string.h>

const struct field machine_fields[] = {
    {"Name", "name", FORM_STRING},
    {"UUID", "uuid", FORM_STRING},
    {"State", "state", FORM_STRING},
    {"Reason", "reason", FORM_OPTIONAL},
    {"ProtectionLevel", "protection", FORM_STRING},
    {"LaunchDigest", "launch_digest", FORM_OPTIONAL},
    {"Memory", "memory", FORM_VALUE},
    {"MemoryBacking", "memory_backing", FORM_STRING},
    {"VCPUs", "vcpus", FORM_VALUE},
    {"CommandLine", "command_line", FORM_STRING},
    {"Initrd", "initrd", FORM_VALUE},
    {"KernelImage", "kernel_image", FORM_OPTIONAL},
    {"InitrdImage", "initrd_image", FORM_OPTIONAL},
    {"Description", "description", FORM_STRING},
    {"Labels", "labels", FORM_VALUE},
    {"Autostart", "autostart", FORM_VALUE},
    {"Restart", "restart", FORM_STRING},
    {"CPUShares", "cpu_shares", FORM_VALUE},
    {"CPUQuota", "cpu_quota", FORM_VALUE},
    {"IOWeight", "io_weight", FORM_VALUE},
    {"Network", "network", FORM_STRING},
    {"Disks", "disks", FORM_VALUE},
    {"RestartNeeded", "restart_needed", FORM_VALUE},
    {"Created", "created", FORM_TIME},
    {"Started", "started", FORM_TIME},
    {"Ended", "ended", FORM_TIME},
    {"Revision", NULL, FORM_REVISION},
    {0},
};

const struct field machine_stats_fields[] = {
    {"VM", "vm", FORM_VALUE},
    {"Frames", "frames", FORM_VALUE},
    {"CPUTime", "cpu_time", FORM_VALUE},
    {"Resident", "resident", FORM_VALUE},
    {"Exits", "exits", FORM_VALUE},
    {"Reflected", "reflected", FORM_VALUE},
    {"Upcalls", "upcalls", FORM_VALUE},
    {"Sealed", "sealed", FORM_VALUE},
    {"Unsealed", "unsealed", FORM_VALUE},
    {"Taken", "taken", FORM_VALUE},
    {"Returned", "returned", FORM_VALUE},
    {"Injected", "injected", FORM_VALUE},
    {"ExitsByReason", "exits_by_reason", FORM_VALUE},
    {0},
};

const struct field image_fields[] = {
    {"Digest", "digest", FORM_STRING},
    {"Name", "name", FORM_STRING},
    {"Kind", "kind", FORM_STRING},
    {"Size", "size", FORM_VALUE},
    {"Created", "created", FORM_TIME},
    {"Machines", "machines", FORM_VALUE},
    {0},
};

const struct field operation_fields[] = {
    {"Id", "id", FORM_STRING},
    {"Kind", "kind", FORM_STRING},
    {"Machine", "machine", FORM_OPTIONAL},
    {"State", "state", FORM_STRING},
    {"Done", "done", FORM_VALUE},
    {"Total", "total", FORM_VALUE},
    {"Unit", "unit", FORM_STRING},
    {"Error", "error", FORM_OPTIONAL},
    {"Message", "message", FORM_OPTIONAL},
    {"Created", "created", FORM_TIME},
    {"Started", "started", FORM_TIME},
    {"Ended", "ended", FORM_TIME},
    {"Who", "who", FORM_STRING},
    {"Result", "result", FORM_VALUE},
    {0},
};

const struct field host_fields[] = {
    {"ProtectionLevel", "protection", FORM_STRING},
    {"ProtectionReason", "protection_reason", FORM_OPTIONAL},
    {"RootVisorVersion", "rootvisor_version", FORM_OPTIONAL},
    {"RootVisorSVN", "rootvisor_svn", FORM_VALUE},
    {"RootVisorDigest", "rootvisor_digest", FORM_OPTIONAL},
    {"GuardianSVN", "guardian_svn", FORM_VALUE},
    {"GuardianDigest", "guardian_digest", FORM_OPTIONAL},
    {"ReportKey", "report_key", FORM_OPTIONAL},
    {"CPUModel", "cpu_model", FORM_OPTIONAL},
    {"Features", "features", FORM_VALUE},
    {"CPUs", "cpus", FORM_VALUE},
    {"VMs", "vms", FORM_VALUE},
    {"MemoryBacking", "memory_backing", FORM_STRING},
    {"RamFrames", "ram_frames", FORM_VALUE},
    {"RootVisorFrames", "rootvisor_frames", FORM_VALUE},
    {"PrivateFrames", "private_frames", FORM_VALUE},
    {"PoolFramesFree", "pool_frames_free", FORM_VALUE},
    {"UptimeTSC", "uptime_tsc", FORM_VALUE},
    {"TSCKHz", "tsc_khz", FORM_VALUE},
    {"Exits", "exits", FORM_VALUE},
    {"Reflected", "reflected", FORM_VALUE},
    {"Upcalls", "upcalls", FORM_VALUE},
    {"Sealed", "sealed", FORM_VALUE},
    {"Unsealed", "unsealed", FORM_VALUE},
    {"Taken", "taken", FORM_VALUE},
    {"Returned", "returned", FORM_VALUE},
    {"Injected", "injected", FORM_VALUE},
    {"ExitsByReason", "exits_by_reason", FORM_VALUE},
    {0},
};

static int read_bytes(sd_bus_message *m, json_object **ret) {
    _cleanup_free_ char *hex = NULL;
    const void *p;
    size_t size;
    int r = sd_bus_message_read_array(m, 'y', &p, &size);

    if (r < 0)
        return r;
    hex = malloc(2 * size + 1);
    if (!hex)
        return -ENOMEM;
    *ret = json_object_new_string(cvm_hex_encode(p, size, hex));
    return 0;
}

/* One member of a dictionary or an array; 0 at the end. */
static int read_element(sd_bus_message *m, bool dict, json_object *o) {
    const char *key = NULL;
    json_object *value;
    int r = sd_bus_message_at_end(m, false);

    if (r != 0)
        return r < 0 ? r : 0;
    if (dict) {
        r = sd_bus_message_enter_container(m, 'e', NULL);
        if (r >= 0)
            r = sd_bus_message_read_basic(m, 's', &key);
    }
    if (r >= 0)
        r = bus_read_value(m, &value);
    if (r < 0)
        return r;
    if (!dict)
        return json_object_array_add(o, value) < 0 ? -ENOMEM : 1;
    if (json_object_object_add(o, key, value) < 0)
        return -ENOMEM;
    r = sd_bus_message_exit_container(m);
    return r < 0 ? r : 1;
}

static int read_array(sd_bus_message *m, const char *contents, json_object **ret) {
    _cleanup_json_ json_object *o = NULL;
    bool dict = contents[0] == '{';
    int r;

    if (strcmp(contents, "y") == 0)
        return read_bytes(m, ret);
    o = dict ? json_object_new_object() : json_object_new_array();
    r = sd_bus_message_enter_container(m, 'a', contents);
    while (r >= 0 && (r = read_element(m, dict, o)) > 0)
        ;
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(o);
    return 0;
}

int bus_read_value(sd_bus_message *m, json_object **ret) {
    union {
        const char *s;
        uint64_t t;
        int64_t x;
        uint32_t u;
        int32_t i;
        int b;
        double d;
    } v;
    const char *contents;
    char type;
    int r = sd_bus_message_peek_type(m, &type, &contents);

    *ret = NULL;
    if (r < 0)
        return r;
    if (type == 'a')
        return read_array(m, contents, ret);
    if (type == 'v') {
        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r >= 0)
            r = bus_read_value(m, ret);
        return r < 0 ? r : sd_bus_message_exit_container(m);
    }
    if (!strchr("sogtxuibd", type))
        return sd_bus_message_skip(m, NULL);
    r = sd_bus_message_read_basic(m, type, &v);
    if (r < 0)
        return r;
    *ret = type == 't'   ? json_object_new_uint64(v.t)
           : type == 'x' ? json_object_new_int64(v.x)
           : type == 'u' ? json_object_new_uint64(v.u)
           : type == 'i' ? json_object_new_int(v.i)
           : type == 'b' ? json_object_new_boolean(v.b)
           : type == 'd' ? json_object_new_double(v.d)
                         : json_object_new_string(v.s);
    return *ret ? 0 : -ENOMEM;
}

/* Takes @value, returns what stands for it. */
static json_object *in_form(enum form form, json_object *value) {
    bool empty = form == FORM_OPTIONAL ? json_object_get_string_len(value) == 0 : json_object_get_uint64(value) == 0;
    json_object *text = NULL;
    char time[RFC3339_MAX];

    if (form != FORM_OPTIONAL && form != FORM_TIME)
        return value;
    if (form == FORM_OPTIONAL && !empty)
        return value;
    if (form == FORM_TIME && !empty)
        text = json_object_new_string(rfc3339_format(json_object_get_uint64(value), time));
    json_object_put(value);
    return text;
}

static int read_field(sd_bus_message *m, const struct field *fields, json_object *o, uint64_t *revision) {
    const struct field *f;
    json_object *value;
    const char *key;
    int r = sd_bus_message_read_basic(m, 's', &key);

    if (r < 0)
        return r;
    for (f = fields; f->property && strcmp(f->property, key) != 0; f++)
        ;
    if (!f->property)
        return sd_bus_message_skip(m, "v");
    r = bus_read_value(m, &value);
    if (r < 0)
        return r;
    if (f->form == FORM_REVISION) {
        if (revision)
            *revision = json_object_get_uint64(value);
        json_object_put(value);
        return 0;
    }
    return json_object_object_add(o, f->name, in_form(f->form, value)) < 0 ? -ENOMEM : 0;
}

int fields_read(sd_bus_message *m, const struct field *fields, json_object **ret, uint64_t *revision) {
    _cleanup_json_ json_object *o = json_object_new_object();
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");

    if (!o)
        return -ENOMEM;
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = read_field(m, fields, o, revision);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(o);
    return 0;
}
