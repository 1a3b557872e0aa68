/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Machine */
#include "bus.h"
#include "manager.h"
#include "polkit.h"

#include "reason.h"
#include "usage.h"

#include <errno.h>
#include <string.h>

int bus_machine_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                     sd_bus_error *error) {
    _cleanup_free_ char *name = NULL;
    struct manager *m = userdata;
    int r;

    (void)bus;
    (void)interface;
    (void)error;
    r = sd_bus_path_decode(path, BUS_MACHINE_PREFIX, &name);
    if (r <= 0)
        return r;
    *found = manager_find(m, name);
    return *found && !((struct machine *)*found)->defining ? 1 : 0;
}

static int path_of(void *userdata, size_t i, char **ret) {
    struct manager *m = userdata;

    return machine_path(m->machines[i], ret);
}

int bus_machine_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***nodes,
                          sd_bus_error *error) {
    struct manager *m = userdata;

    (void)bus;
    (void)prefix;
    (void)error;
    return bus_enumerate(m->nr_machines, path_of, m, nodes);
}

int bus_append_exits(sd_bus_message *reply, const struct cvm_stats *s) {
    int r = sd_bus_message_open_container(reply, 'a', "{st}");

    for (unsigned i = 0; r >= 0 && i < CVM_EXIT_REASONS; i++) {
        const char *name = exit_reason_name(i);
        char number[24];

        if (s->by_reason[i] == 0)
            continue;
        snprintf(number, sizeof(number), "reason-%u", i);
        r = sd_bus_message_append(reply, "{st}", name ?: number, s->by_reason[i]);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

uint64_t bus_counter(const struct cvm_stats *s, const char *property) {
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        {"Exits", s->exits},       {"Reflected", s->reflected}, {"Upcalls", s->upcalls},
        {"Sealed", s->sealed},     {"Unsealed", s->unsealed},   {"Taken", s->taken},
        {"Returned", s->returned}, {"Injected", s->injected},
    };

    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        if (strcmp(property, all[i].name) == 0)
            return all[i].value;
    return 0;
}

#define GETTER(fn)                                                                                           \
    static int fn(sd_bus *bus, const char *path, const char *interface, const char *property,                \
                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
#define UNUSED (void)bus, (void)path, (void)interface, (void)property, (void)error

GETTER(get_string) { /* @userdata: the struct machine; by name */
    const struct machine *m = userdata;
    char digest[2 * CVM_DIGEST_SIZE + 1];
    const char *s = "";

    UNUSED;
    if (strcmp(property, "Name") == 0)
        s = m->name;
    else if (strcmp(property, "UUID") == 0)
        s = m->uuid;
    else if (strcmp(property, "State") == 0)
        s = machine_state_to_string(m->state);
    else if (strcmp(property, "Reason") == 0)
        s = m->reason;
    else if (strcmp(property, "CommandLine") == 0)
        s = m->cmdline;
    else if (strcmp(property, "Console") == 0)
        s = m->console_path;
    else if (strcmp(property, "MemoryBacking") == 0)
        s = memory_backing_to_string(m->backing);
    else if (strcmp(property, "LaunchDigest") == 0)
        s = m->vm.id ? cvm_hex_encode(m->vm.launch_digest, CVM_DIGEST_SIZE, digest) : "";
    else if (strcmp(property, "KernelImage") == 0)
        s = m->kernel_image;
    else if (strcmp(property, "InitrdImage") == 0)
        s = m->initrd_image;
    else if (strcmp(property, "Description") == 0)
        s = m->description;
    else if (strcmp(property, "Restart") == 0)
        s = restart_policy_to_string(m->restart);
    else if (strcmp(property, "Network") == 0)
        s = m->network ?: "none";
    /* The level tells what holds now: a machine still being launched is not protected yet. */
    else if (strcmp(property, "ProtectionLevel") == 0)
        s = m->protected && (m->state != MACHINE_STARTING) ? "protected" : m->protected ? "pending" : "none";
    return sd_bus_message_append(reply, "s", s ?: "");
}

GETTER(get_number) {
    struct machine *m = userdata;
    uint64_t v = 0;

    UNUSED;
    machine_refresh(m);
    if (strcmp(property, "Memory") == 0)
        v = m->memory;
    else if (strcmp(property, "CPUShares") == 0)
        v = m->cpu_shares;
    else if (strcmp(property, "Revision") == 0)
        v = m->revision;
    else if (strcmp(property, "Frames") == 0)
        v = m->vm.frames;
    else if (strcmp(property, "Created") == 0)
        v = m->created;
    else if (strcmp(property, "Started") == 0)
        v = m->started;
    else if (strcmp(property, "Ended") == 0)
        v = m->ended;
    else
        v = bus_counter(&m->stats, property);
    return sd_bus_message_append(reply, "t", v);
}

GETTER(get_usage) {
    struct machine *m = userdata;
    struct usage u = {0};

    UNUSED;
    if (machine_is_active(m))
        (void)usage_read(m->uuid, &m->qemu, &u);
    return sd_bus_message_append(reply, "t", strcmp(property, "CPUTime") == 0 ? u.cpu_nsec : u.resident);
}

GETTER(get_u32) {
    struct machine *m = userdata;
    uint32_t v = 0;

    UNUSED;
    if (strcmp(property, "VCPUs") == 0)
        v = m->vcpus;
    else if (strcmp(property, "VM") == 0)
        v = m->vm_present ? m->vm.id : 0;
    else if (strcmp(property, "CPUQuota") == 0)
        v = m->cpu_quota;
    else if (strcmp(property, "IOWeight") == 0)
        v = m->io_weight;
    return sd_bus_message_append(reply, "u", v);
}

/* Lines "KEY=VALUE", as a{ss}. */
GETTER(get_labels) {
    const struct machine *m = userdata;
    int r = sd_bus_message_open_container(reply, 'a', "{ss}");

    UNUSED;
    for (const char *p = m->labels; r >= 0 && p && *p; p = strchr(p, '\n') + 1) {
        size_t key = strcspn(p, "="), line = strcspn(p, "\n");
        _cleanup_free_ char *k = strndup(p, key), *v = strndup(p + key + 1, line - key - 1);

        r = k && v ? sd_bus_message_append(reply, "{ss}", k, v) : -ENOMEM;
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_disks) {
    const struct machine *m = userdata;
    int r = sd_bus_message_open_container(reply, 'a', "s");

    UNUSED;
    for (const char *p = m->disks; r >= 0 && p && *p; p = strchr(p, '\n') + 1) {
        _cleanup_free_ char *s = strndup(p, strcspn(p, "\n"));

        r = s ? sd_bus_message_append(reply, "s", s) : -ENOMEM;
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_exits_by_reason) {
    struct machine *m = userdata;

    UNUSED;
    machine_refresh(m);
    return bus_append_exits(reply, &m->stats);
}

GETTER(get_bool) {
    const struct machine *m = userdata;

    UNUSED;
    return sd_bus_message_append(reply, "b",
                                 strcmp(property, "Initrd") == 0      ? m->has_initrd
                                 : strcmp(property, "Autostart") == 0 ? m->autostart
                                                                      : m->changed || m->outside);
}

int bus_machine_report(struct machine *m, const void *nonce, size_t size, struct cvm_report *ret,
                       sd_bus_error *error) {
    int r;

    if (size != sizeof(ret->user_data))
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "the nonce has %zu bytes, not %zu", size,
                                 sizeof(ret->user_data));
    if (!m->protected)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_PROTECTED,
                                 "machine '%s' is not protected: it has no report", m->name);
    m->refreshed = 0;
    machine_refresh(m);
    if (!m->vm_present || !m->manager->rootvisor)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING,
                                 "machine '%s' is %s: a report needs a running one", m->name,
                                 machine_state_to_string(m->state));
    r = rootvisor_vm_report(m->manager->rootvisor, m->vm.id, nonce, ret);
    if (r == -EBUSY)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING,
                                 "machine '%s' is not under protection yet, or not any more", m->name);
    if (r < 0)
        return sd_bus_error_setf(error, BUS_ERROR_ROOTVISOR, "RootVisor made no report of '%s': %s", m->name,
                                 strerror(-r));
    return 0;
}

static int method_report(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    struct cvm_report report;
    const void *nonce;
    size_t size;
    int r;

    r = sd_bus_message_read_array(call, 'y', &nonce, &size);
    if (r >= 0)
        r = bus_machine_report(userdata, nonce, size, &report, error);
    if (r >= 0)
        r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_append_array(reply, 'y', &report, sizeof(report));
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* What the Guardian says of a key that it refuses. */
static const char *key_refusal(int r) {
    switch (r) {
    case -EINVAL:
        return "this is no sealed key of this version";
    case -ESTALE:
        return "it answers no report of this machine that is still open: too old, used before, or another machine's";
    case -EBADMSG:
        return "it is sealed for another machine, launch or nonce, or was changed on the way";
    default:
        return strerror(-r);
    }
}

/* Not the machine itself: it may be gone while polkit asks. */
static int put_key(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *name = NULL, *who = NULL;
    struct manager *m = userdata;
    struct machine *k;
    const void *blob;
    size_t size;
    int r;

    r = sd_bus_path_decode(sd_bus_message_get_path(call), BUS_MACHINE_PREFIX, &name);
    if (r >= 0)
        r = sd_bus_message_read_array(call, 'y', &blob, &size);
    if (r < 0)
        return r;
    r = polkit_authorize(call, m, POLKIT_CONTROL, name, put_key, m, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    k = name ? manager_find(m, name) : NULL;
    return k ? bus_put_key(k, call, blob, size, error) : no_such_machine(error, name ?: "");
}

/* PutKey: carries a tenant's key, sealed to the Guardian, which alone can open it. */
static int method_put_key(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const struct machine *k = userdata;

    return put_key(call, k->manager, error);
}

int bus_put_key(struct machine *m, sd_bus_message *call, const void *blob, size_t size, sd_bus_error *error) {
    int r;

    if (size != sizeof(struct cvm_key_blob))
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "a sealed key has %zu bytes, not %zu",
                                 sizeof(struct cvm_key_blob), size);
    if (!m->protected)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_PROTECTED,
                                 "machine '%s' is not protected: nobody there can open a key", m->name);
    m->refreshed = 0;
    machine_refresh(m);
    if (!m->vm_present || !m->manager->rootvisor)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "machine '%s' is %s: a key needs a running one",
                                 m->name, machine_state_to_string(m->state));
    r = rootvisor_key_put(m->manager->rootvisor, m->vm.id, blob);
    if (r == -EBUSY)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING,
                                 "machine '%s' is not under protection yet, or not any more", m->name);
    if (r < 0)
        return sd_bus_error_setf(error, BUS_ERROR_DENIED, "the Guardian of '%s' refused the key: %s", m->name,
                                 key_refusal(r));
    return sd_bus_reply_method_return(call, NULL);
}

const sd_bus_vtable bus_machine_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Report", SD_BUS_ARGS("ay", nonce), SD_BUS_RESULT("ay", report), method_report,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetEvidence", SD_BUS_ARGS("ay", nonce), SD_BUS_RESULT("s", evidence), bus_get_evidence,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("PutKey", SD_BUS_ARGS("ay", blob), SD_BUS_NO_RESULT, method_put_key,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Name", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("UUID", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Reason", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ProtectionLevel", "s", get_string, 0, 0),
    SD_BUS_PROPERTY("LaunchDigest", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Memory", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("MemoryBacking", "s", get_string, 0, 0),
    SD_BUS_PROPERTY("VCPUs", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("CommandLine", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Initrd", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("KernelImage", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("InitrdImage", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Description", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Labels", "a{ss}", get_labels, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Autostart", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Restart", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("CPUShares", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("CPUQuota", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("IOWeight", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Network", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Disks", "as", get_disks, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RestartNeeded", "b", get_bool, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Console", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Revision", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Created", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Started", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Ended", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("VM", "u", get_u32, 0, 0),
    SD_BUS_PROPERTY("Frames", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("CPUTime", "t", get_usage, 0, 0),
    SD_BUS_PROPERTY("Resident", "t", get_usage, 0, 0),
    SD_BUS_PROPERTY("Exits", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Reflected", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Upcalls", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Sealed", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Unsealed", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Taken", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Returned", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("Injected", "t", get_number, 0, 0),
    SD_BUS_PROPERTY("ExitsByReason", "a{st}", get_exits_by_reason, 0, 0),
    SD_BUS_VTABLE_END,
};
