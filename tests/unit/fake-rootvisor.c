/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-rootvisor.h"

#include "attest-fixture.h"
#include "attest/log-head.h"
#include "cvmd/rootvisor.h"
#include "cvmd/util.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

#define MAX_EVENTS 4096u

struct rootvisor {
    FILE *commands; /* or NULL */
    struct fixture *fixture;
};

static int present;
static struct cvm_vm_info vms[CVM_MAX_VMS];
static uint64_t stats_exits[CVM_MAX_VMS];
static unsigned nr_vms, next_id = 1;
static struct cvm_event events[MAX_EVENTS];
static uint8_t before[MAX_EVENTS][CVM_CHAIN_SIZE];
static uint8_t chain[CVM_CHAIN_SIZE];
static uint64_t counts[16];
static unsigned nr_events, overwritten;
static int fail_next;
static uint64_t features = CVM_F_SMP;
static uint64_t counter, open_report[CVM_MAX_VMS]; /* of the newest report of a VM that no key answered */

void fake_rootvisor_present(int p) {
    present = p;
}

void fake_rootvisor_reset(void) {
    nr_vms = nr_events = overwritten = 0;
    memset(counts, 0, sizeof(counts));
    next_id = 1;
    fail_next = 0;
}

static void chain_event(struct cvm_event *e) {
    memcpy(before[e->seq - 1], chain, sizeof(chain));
    cvm_log_step(chain, e);
    counts[e->type]++;
}

static void add_event(uint32_t type, uint32_t reason, uint32_t vm, const uint8_t *uuid, uint64_t arg) {
    struct cvm_event *e = &events[nr_events];

    if (nr_events == MAX_EVENTS)
        return;
    /* A daemon that starts anew reads the commands again: the events must be the same. */
    *e = (struct cvm_event){
        .seq = ++nr_events, .tsc = nr_events * 1000, .type = type, .reason = reason, .vm = vm, .arg = {arg, 0}};
    if (uuid)
        memcpy(e->uuid, uuid, 16);
    if (type != CVM_EV_ANCHOR)
        chain_event(e);
}

static struct cvm_vm_info *find_uuid(const uint8_t *uuid) {
    for (unsigned i = 0; i < nr_vms; i++)
        if (memcmp(vms[i].uuid, uuid, 16) == 0)
            return &vms[i];
    return NULL;
}

static struct cvm_vm_info *find_id(uint32_t id) {
    for (unsigned i = 0; i < nr_vms; i++)
        if (vms[i].id == id)
            return &vms[i];
    return NULL;
}

static void remove_vm(struct cvm_vm_info *vm) {
    memmove(vm, vm + 1, (size_t)(vms + nr_vms - vm - 1) * sizeof(*vm));
    nr_vms--;
}

int fake_rootvisor_command(const char *line) {
    unsigned long long a = 0, b = 0;
    char text[64];
    uint8_t uuid[16];
    struct cvm_vm_info *vm;

    if (strncmp(line, "tpm", 3) == 0) {
        features |= CVM_F_TPM;
        return 0;
    }
    if (strncmp(line, "bad-resume", 10) == 0) {
        fail_next = 1;
        return 0;
    }
    if (sscanf(line, "overwrite %llu", &a) == 1) {
        overwritten = (unsigned)a;
        return 0;
    }
    if (sscanf(line, "anchor %llu %48s", &a, text) == 2) {
        uint8_t root[24];
        struct cvm_event *e = &events[nr_events];

        if (cvm_hex_decode(text, 48, root, sizeof(root)) < 0)
            return -EINVAL;
        add_event(CVM_EV_ANCHOR, 0, 0, root, a);
        memcpy(&e->arg[1], root + 16, 8);
        chain_event(e);
        return 0;
    }
    if (sscanf(line, "denied %llu %llu", &a, &b) == 2) {
        add_event(CVM_EV_DENIED, (uint32_t)a, 0, NULL, b);
        return 0;
    }
    if (sscanf(line, "protect %36s %llu", text, &a) == 2 && uuid_from_string(text, uuid) == 0 &&
        nr_vms < CVM_MAX_VMS) {
        vm = &vms[nr_vms++];
        *vm = (struct cvm_vm_info){
            .id = next_id++, .state = CVM_VM_RUNNING, .vcpus = 1, .ram_bytes = a * 4096, .frames = a};
        memcpy(vm->uuid, uuid, 16);
        for (unsigned i = 0; i < CVM_DIGEST_SIZE; i++)
            vm->launch_digest[i] = (uint8_t)(0xa0 + i);
        add_event(CVM_EV_VM_PROTECTED, 0, vm->id, uuid, 0);
        return 0;
    }
    if (sscanf(line, "stop %36s %llu %llu", text, &a, &b) == 3 && uuid_from_string(text, uuid) == 0) {
        vm = find_uuid(uuid);
        if (!vm)
            return -EINVAL;
        vm->state = CVM_VM_STOPPED;
        vm->reason = (uint32_t)a;
        vm->stop_arg = b;
        add_event(CVM_EV_VM_STOPPED, (uint32_t)a, vm->id, uuid, b);
        return 0;
    }
    if (sscanf(line, "destroyed %36s", text) == 1 && uuid_from_string(text, uuid) == 0) {
        vm = find_uuid(uuid);
        if (vm) {
            add_event(CVM_EV_VM_RELEASED, 0, vm->id, uuid, 0);
            remove_vm(vm);
        }
        return 0;
    }
    return -EINVAL;
}

/* Reads what was appended since the last call. */
static int catch_up(struct rootvisor *rv) {
    char line[256];
    long at;

    if (rv->commands) {
        clearerr(rv->commands);
        while (at = ftell(rv->commands), fgets(line, sizeof(line), rv->commands)) {
            if (!strchr(line, '\n')) { /* still being written */
                fseek(rv->commands, at, SEEK_SET);
                break;
            }
            if (fake_rootvisor_command(line) < 0)
                fprintf(stderr, "fake RootVisor: no command: %s", line);
        }
    }
    if (fail_next) {
        fail_next = 0;
        return -EIO;
    }
    return 0;
}

static void fill_head(const struct rootvisor *rv, struct cvm_log_head *h) {
    *h = (struct cvm_log_head){
        .magic = CVM_HEAD_MAGIC, .version = CVM_HEAD_VERSION, .size = sizeof(*h), .seq = nr_events, .tsc_khz = 2000000};
    memcpy(h->counts, counts, sizeof(counts));
    memcpy(h->chain, chain, sizeof(chain));
    memset(h->rootvisor_digest, 0x11, CVM_DIGEST_SIZE);
    memset(h->guardian_digest, 0x22, CVM_DIGEST_SIZE);
    cvm_key_id(rv->fixture->point, h->report_key_id);
}

/* The key is of one start of the host, the daemon may start more often: it stands beside the commands. */
static void keep_key(struct rootvisor *rv, const char *path) {
    char name[512];
    FILE *f;

    if (!path)
        return;
    snprintf(name, sizeof(name), "%s.key", path);
    f = fopen(name, "re");
    if (f) {
        EVP_PKEY_free(rv->fixture->quoter);
        rv->fixture->quoter = PEM_read_PrivateKey(f, NULL, NULL, NULL);
        cvm_key_to_point(rv->fixture->quoter, rv->fixture->point);
        cvm_key_id(rv->fixture->point, rv->fixture->report.report_key_id);
    } else {
        f = fopen(name, "we");
        if (f)
            PEM_write_PrivateKey(f, rv->fixture->quoter, NULL, NULL, 0, NULL, NULL);
    }
    if (f)
        fclose(f);
}

int rootvisor_open(struct rootvisor **ret, struct cvm_error *e) {
    const char *path = getenv("CVMD_FAKE_ROOTVISOR");
    struct rootvisor *rv = calloc(1, sizeof(*rv));

    if (!rv)
        return -ENOMEM;
    if (path)
        rv->commands = fopen(path, "r+e");
    if (!rv->commands && !present) {
        free(rv);
        return cvm_error_set(e, -ENOENT, "this host was not started by RootVisor (the test has none)");
    }
    fixture_setup((void **)&rv->fixture);
    keep_key(rv, path);
    if (nr_events == 0) {
        struct cvm_log_head h;

        fill_head(rv, &h);
        cvm_log_genesis(&h, chain);
        add_event(CVM_EV_BOOT, 0, 0, NULL, 0);
    }
    *ret = rv;
    return 0;
}

void rootvisor_close(struct rootvisor *rv) {
    if (!rv)
        return;
    if (rv->commands)
        fclose(rv->commands);
    fixture_teardown((void **)&rv->fixture);
    free(rv);
}

int rootvisor_host_info(struct rootvisor *rv, struct cvm_host_info *ret) {
    int r = catch_up(rv);

    *ret = (struct cvm_host_info){
        .abi_version = CVM_ABI_VERSION,
        .version = 0x000100,
        .svn = 1,
        .guardian_svn = 1,
        .cpus = 2,
        .vms = nr_vms,
        .features = features,
        .tsc_khz = 2000000,
        .uptime_tsc = __rdtsc(),
        .ram_frames = 524288,
        .rootvisor_frames = 4096,
        .pool_frames_free = 1000,
        .cpu_model = "Test CPU",
    };
    memset(ret->rootvisor_digest, 0x11, CVM_DIGEST_SIZE);
    memset(ret->guardian_digest, 0x22, CVM_DIGEST_SIZE);
    for (unsigned i = 0; i < nr_vms; i++)
        ret->private_frames += vms[i].frames;
    return r;
}

int rootvisor_host_stats(struct rootvisor *rv, struct cvm_stats *ret) {
    int r = catch_up(rv);

    *ret = (struct cvm_stats){.exits = 1000, .reflected = 600};
    ret->by_reason[10] = 400;
    ret->by_reason[48] = 600;
    return r;
}

int rootvisor_vm_list(struct rootvisor *rv, struct cvm_vm_list *ret) {
    int r = catch_up(rv);

    *ret = (struct cvm_vm_list){.count = nr_vms};
    memcpy(ret->vm, vms, nr_vms * sizeof(*vms));
    return r;
}

int rootvisor_vm_stats(struct rootvisor *rv, uint32_t id, struct cvm_stats *ret) {
    int r = catch_up(rv);

    if (r < 0)
        return r;
    if (!find_id(id))
        return -ENOENT;
    *ret = (struct cvm_stats){.exits = stats_exits[id % CVM_MAX_VMS] += 10, .upcalls = 3};
    ret->by_reason[30] = ret->exits;
    return 0;
}

/* What a daemon that starts anew must find as it is now. */
static void remember(struct rootvisor *rv, const char *line) {
    if (!rv->commands)
        return;
    fseek(rv->commands, 0, SEEK_END);
    fputs(line, rv->commands);
    fflush(rv->commands);
    fseek(rv->commands, 0, SEEK_END);
}

static unsigned destroy_calls; /* of the VM that is destroyed */

int rootvisor_vm_destroy(struct rootvisor *rv, uint32_t id) {
    int r = catch_up(rv);
    struct cvm_vm_info *vm = find_id(id);
    char uuid[UUID_STRING_MAX], line[64];

    if (r < 0)
        return r;
    if (!vm)
        return -ENOENT;
    /* As the real one: a call looks at a part of the host's memory, in which the VM may have nothing. */
    if (vm->state != CVM_VM_DYING)
        destroy_calls = 0;
    vm->state = CVM_VM_DYING;
    if (destroy_calls++ < FAKE_EMPTY_CALLS)
        return vm->frames ? (int)vm->frames : 1;
    vm->frames -= vm->frames < FAKE_FRAMES_PER_CALL ? vm->frames : FAKE_FRAMES_PER_CALL;
    if (vm->frames)
        return (int)vm->frames;
    snprintf(line, sizeof(line), "destroyed %s\n", uuid_to_string(vm->uuid, uuid));
    fake_rootvisor_command(line);
    remember(rv, line);
    return 0;
}

int rootvisor_vm_report(struct rootvisor *rv, uint32_t id, const uint8_t user_data[64],
                        struct cvm_report *ret) {
    int r = catch_up(rv);
    struct cvm_vm_info *vm = find_id(id);
    struct cvm_report rep;

    if (r < 0)
        return r;
    if (!vm)
        return -ENOENT;
    if (vm->state != CVM_VM_RUNNING)
        return -EBUSY;
    rep = fixture_report(rv->fixture);
    rep.vm_id = id;
    memcpy(rep.uuid, vm->uuid, 16);
    memcpy(rep.user_data, user_data, 64);
    rep.platform = features;
    rep.counter = open_report[id % CVM_MAX_VMS] = ++counter;
    fixture_sign(rv->fixture, &rep, (uint8_t *)ret);
    return 0;
}

/* Refuses as a Guardian does what answers no report, and what it has taken once. It opens nothing: Guardians that do are in
 * tests/integration/broker. */
int rootvisor_key_put(struct rootvisor *rv, uint32_t id, const struct cvm_key_blob *blob) {
    int r = catch_up(rv);
    struct cvm_vm_info *vm = find_id(id);

    if (r < 0)
        return r;
    if (!vm || vm->state != CVM_VM_RUNNING)
        return vm ? -EBUSY : -ENOENT;
    if (blob->magic != CVM_KEY_MAGIC || blob->version != CVM_KEY_VERSION)
        return -EINVAL;
    if (!open_report[id % CVM_MAX_VMS] || blob->counter != open_report[id % CVM_MAX_VMS])
        return -ESTALE;
    open_report[id % CVM_MAX_VMS] = 0;
    return 0;
}

int rootvisor_events(struct rootvisor *rv, uint64_t first, struct cvm_event_page *ret) {
    int r = catch_up(rv);

    if (first <= overwritten)
        first = overwritten + 1;
    *ret = (struct cvm_event_page){.first_seq = overwritten + 1, .next_seq = nr_events + 1};
    if (first <= nr_events)
        memcpy(ret->before, before[first - 1], CVM_CHAIN_SIZE);
    for (uint64_t seq = first; r == 0 && seq <= nr_events && ret->count < CVM_EVENTS_PER_PAGE; seq++)
        ret->ev[ret->count++] = events[seq - 1];
    return r < 0 ? r : (int)ret->count;
}

int rootvisor_log_head(struct rootvisor *rv, uint64_t tree_size, const uint8_t user_data[64],
                       struct cvm_log_head *ret) {
    int r = catch_up(rv);
    char line[128], hex[49];

    if (r < 0)
        return r;
    if (tree_size) {
        snprintf(line, sizeof(line), "anchor %llu %s\n", (unsigned long long)tree_size,
                 cvm_hex_encode(user_data, 24, hex));
        fake_rootvisor_command(line);
        remember(rv, line);
    }
    fill_head(rv, ret);
    memcpy(ret->user_data, user_data, 64);
    return cvm_key_sign(rv->fixture->quoter, ret, CVM_HEAD_SIGNED, ret->signature) == 64 ? 0 : -EIO;
}

int rootvisor_report_key(struct rootvisor *rv, struct cvm_report_key *ret) {
    *ret = (struct cvm_report_key){0};
    memcpy(ret->point, rv->fixture->point, sizeof(ret->point));
    return catch_up(rv);
}

/* No TPM, no counters: what a host says whose Quoter could not open its vault. */
int rootvisor_counter(struct rootvisor *rv, uint32_t id, struct cvm_counter_call *call) {
    int r = catch_up(rv);

    (void)call;
    if (r < 0)
        return r;
    return find_id(id) ? -ENXIO : -ENOENT;
}
