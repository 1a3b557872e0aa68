/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Host: the host as RootVisor tells it. Without RootVisor the numbers are 0 and the texts empty. */
#include "bus.h"
#include "manager.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define GETTER(fn)                                                                                           \
    static int fn(sd_bus *bus, const char *path, const char *interface, const char *property,                \
                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
#define UNUSED (void)bus, (void)path, (void)interface, (void)property, (void)error

static int look(struct manager *m, sd_bus_error *error) {
    int r = manager_look_host(m);

    return r < 0 ? sd_bus_error_setf(error, BUS_ERROR_ROOTVISOR, "RootVisor does not tell about the host: %s",
                                     strerror(-r))
                 : 0;
}

GETTER(get_level) {
    const struct manager *m = userdata;

    UNUSED;
    return sd_bus_message_append(reply, "s", m->rootvisor ? "protected" : "none");
}

GETTER(get_level_reason) {
    const struct manager *m = userdata;

    UNUSED;
    return sd_bus_message_append(reply, "s", m->rootvisor ? "" : m->rootvisor_error.text);
}

GETTER(get_backing) {
    const struct manager *m = userdata;

    UNUSED;
    /* What a machine of the smallest size would get. */
    return sd_bus_message_append(reply, "s", memory_backing_to_string(config_backing(m->config, 64u << 20)));
}

GETTER(get_text) {
    char digest[2 * CVM_DIGEST_SIZE + 1], version[32];
    struct manager *m = userdata;
    const char *s = "";
    int r = look(m, error);

    UNUSED;
    if (r < 0)
        return r;
    if (!m->rootvisor)
        return sd_bus_message_append(reply, "s", "");
    if (strcmp(property, "RootVisorVersion") == 0) {
        snprintf(version, sizeof(version), "%u.%u.%u", m->info.version >> 16, m->info.version >> 8 & 0xff,
                 m->info.version & 0xff);
        s = version;
    } else if (strcmp(property, "RootVisorDigest") == 0)
        s = cvm_hex_encode(m->info.rootvisor_digest, CVM_DIGEST_SIZE, digest);
    else if (strcmp(property, "GuardianDigest") == 0)
        s = cvm_hex_encode(m->info.guardian_digest, CVM_DIGEST_SIZE, digest);
    else if (strcmp(property, "CPUModel") == 0)
        s = m->info.cpu_model;
    return sd_bus_message_append(reply, "s", s);
}

GETTER(get_u32) {
    struct manager *m = userdata;
    uint32_t v = 0;
    int r = look(m, error);

    UNUSED;
    if (r < 0)
        return r;
    if (strcmp(property, "RootVisorSVN") == 0)
        v = m->info.svn;
    else if (strcmp(property, "GuardianSVN") == 0)
        v = m->info.guardian_svn;
    else if (strcmp(property, "CPUs") == 0)
        v = m->info.cpus;
    else if (strcmp(property, "VMs") == 0)
        v = m->info.vms;
    return sd_bus_message_append(reply, "u", v);
}

GETTER(get_u64) {
    struct manager *m = userdata;
    uint64_t v = 0;
    int r = look(m, error);

    UNUSED;
    if (r < 0)
        return r;
    if (strcmp(property, "RamFrames") == 0)
        v = m->info.ram_frames;
    else if (strcmp(property, "RootVisorFrames") == 0)
        v = m->info.rootvisor_frames;
    else if (strcmp(property, "PrivateFrames") == 0)
        v = m->info.private_frames;
    else if (strcmp(property, "PoolFramesFree") == 0)
        v = m->info.pool_frames_free;
    else if (strcmp(property, "UptimeTSC") == 0)
        v = m->info.uptime_tsc;
    else if (strcmp(property, "TSCKHz") == 0)
        v = m->info.tsc_khz;
    return sd_bus_message_append(reply, "t", v);
}

GETTER(get_counter) {
    struct manager *m = userdata;
    int r = look(m, error);

    UNUSED;
    return r < 0 ? r : sd_bus_message_append(reply, "t", bus_counter(&m->stats, property));
}

GETTER(get_exits_by_reason) {
    struct manager *m = userdata;
    int r = look(m, error);

    UNUSED;
    return r < 0 ? r : bus_append_exits(reply, &m->stats);
}

GETTER(get_features) {
    static const struct {
        uint64_t bit;
        const char *name;
    } names[] = {{CVM_F_FEATURE_MBE, "mbe"}, {CVM_F_VT_D, "vt-d"}, {CVM_F_TPM, "tpm"}, {CVM_F_SMP, "smp"}};
    struct manager *m = userdata;
    int r = look(m, error);

    UNUSED;
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "s");
    for (unsigned i = 0; r >= 0 && i < ELEMENTSOF(names); i++)
        if (m->info.features & names[i].bit)
            r = sd_bus_message_append(reply, "s", names[i].name);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_report_key) {
    struct manager *m = userdata;
    struct cvm_report_key key;
    int r;

    UNUSED;
    if (!m->rootvisor || rootvisor_report_key(m->rootvisor, &key) < 0)
        return sd_bus_message_append_array(reply, 'y', NULL, 0);
    r = sd_bus_message_append_array(reply, 'y', key.point, sizeof(key.point));
    return r;
}

const sd_bus_vtable bus_host_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("GetEndorsement", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", endorsement), bus_get_endorsement,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ActivateCredential", SD_BUS_ARGS("s", challenge), SD_BUS_RESULT("s", response),
                            bus_activate_credential, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("ProtectionLevel", "s", get_level, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("ProtectionReason", "s", get_level_reason, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("RootVisorVersion", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("RootVisorSVN", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("RootVisorDigest", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("GuardianSVN", "u", get_u32, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("GuardianDigest", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("ReportKey", "ay", get_report_key, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("CPUModel", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Features", "as", get_features, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("CPUs", "u", get_u32, 0, 0),
    SD_BUS_PROPERTY("VMs", "u", get_u32, 0, 0),
    SD_BUS_PROPERTY("MemoryBacking", "s", get_backing, 0, 0),
    SD_BUS_PROPERTY("RamFrames", "t", get_u64, 0, 0),
    SD_BUS_PROPERTY("RootVisorFrames", "t", get_u64, 0, 0),
    SD_BUS_PROPERTY("PrivateFrames", "t", get_u64, 0, 0),
    SD_BUS_PROPERTY("PoolFramesFree", "t", get_u64, 0, 0),
    SD_BUS_PROPERTY("UptimeTSC", "t", get_u64, 0, 0),
    SD_BUS_PROPERTY("TSCKHz", "t", get_u64, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Exits", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("Reflected", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("Upcalls", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("Sealed", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("Unsealed", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("Taken", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("Returned", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("Injected", "t", get_counter, 0, 0),
    SD_BUS_PROPERTY("ExitsByReason", "a{st}", get_exits_by_reason, 0, 0),
    SD_BUS_VTABLE_END,
};
