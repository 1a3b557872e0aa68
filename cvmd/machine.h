/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One machine: what was asked for, what state it is in, what RootVisor says of it.
 */
#ifndef CVMD_MACHINE_H
#define CVMD_MACHINE_H

#include "domain-xml.h"
#include "operation.h"
#include "options.h"
#include "store.h"
#include "util.h"

#include "cvm/abi.h"

enum machine_state {
    MACHINE_STARTING, /* being launched; a protected one until RootVisor runs it */
    MACHINE_RUNNING,
    MACHINE_PAUSED,   /* its vCPUs stand still */
    MACHINE_STOPPING, /* QEMU is asked to end, or frames are going back */
    MACHINE_STOPPED,
    MACHINE_FAILED, /* ended by the protection layer, or never ran; see reason */
    MACHINE_STATE_MAX,
};
const char *machine_state_to_string(enum machine_state s);
int machine_state_from_string(const char *s); /* or -EINVAL */

struct manager;
struct console;

struct machine {
    struct manager *manager;
    char *name;
    char uuid[UUID_STRING_MAX];
    bool protected;
    uint64_t memory; /* bytes */
    uint32_t vcpus;
    enum memory_backing backing;
    char *cmdline; /* or NULL */
    bool has_initrd;
    char *kernel_image, *initrd_image; /* digests of images, NULL: a file of its own */
    char *description, *labels;        /* labels: "KEY=VALUE\n" for each, sorted; or NULL */
    char *network;                     /* "network:NAME", "bridge:NAME", or NULL */
    char *disks;                       /* "IMAGE\n" for each; or NULL */
    bool autostart;
    enum restart_policy restart;
    uint64_t cpu_shares;           /* 0: libvirt's default */
    uint32_t cpu_quota, io_weight; /* percent of one CPU; 10 to 1000; 0: none */

    enum machine_state state;
    char *reason; /* why it is stopped or failed, or NULL */
    char *console_path;
    uint64_t created, started, ended; /* microseconds since 1970, 0 = never */
    uint64_t deadline;                /* CLOCK_MONOTONIC, of STARTING and STOPPING */

    bool dirty;              /* the store lags behind */
    bool saving;             /* in the change that is open (change.h) */
    bool defining;           /* its files are being copied; not in the store yet */
    bool retune;             /* a change of its limits was interrupted: libvirt may have them */
    bool changed;            /* settings that QEMU will have at its next start only */
    char *outside;           /* what other programs changed of its domain, as last told (outside.h); or NULL */
    bool look, looking;      /* its domain is to be compared; a thread does */
    unsigned looks;          /* that were done */
    const char *look_detail; /* constant, or NULL */
    bool reboot;             /* start it again when it has stopped */
    bool restart_due;        /* its restart policy will start it again */
    unsigned restarts;       /* in a row, for the back-off */
    uint64_t restart_at;     /* CLOCK_MONOTONIC */
    _Atomic uint64_t copied; /* bytes, by the thread that copies its files */
    uint64_t to_copy;        /* bytes */

    bool job;     /* a thread works for it */
    unsigned starts;                /* in this process: tells what was seen of an earlier QEMU */
    unsigned unseen; /* starts that libvirt has not told of yet: an end it tells of is an older one's */
    bool gone;    /* the domain ended while a thread worked */
    bool release; /* the domain ended, frames are going back */
    enum machine_state final_state; /* to take when they are: STOPPED or FAILED */

    const struct machine *wanted; /* settings on their way to it: their images are in use already; or NULL */

    struct operation *start_op, *stop_op; /* that its start and its end answer for, or NULL */
    _Atomic bool cancel;                  /* the start shall not go on; read by its thread */
    bool taken_back;                      /* by cvmd itself: its record did not become durable */

    /* RootVisor's view; vm.id is 0 while it has none. Kept as last seen when the VM is gone. */
    struct cvm_vm_info vm;
    struct cvm_stats stats;
    bool vm_present;
    uint64_t refreshed; /* CLOCK_MONOTONIC of the last look */
    pid_t qemu;         /* as usage_read() found it, or 0 */

    struct console *console;
    uint64_t revision; /* another one after each change that the bus tells of, also over restarts */
};

/* Every string is copied. NULL if out of memory. */
struct machine *machine_new(struct manager *m, const char *name, const char *uuid);
void machine_free(struct machine *m);
CVM_DEFINE_CLEANUP(struct machine *, machine_free)

static inline bool machine_is_active(const struct machine *m) {
    return m->state == MACHINE_STARTING || m->state == MACHINE_RUNNING || m->state == MACHINE_PAUSED ||
           m->state == MACHINE_STOPPING;
}

/* Its QEMU is there, and nothing is under way with it but perhaps a job. */
static inline bool machine_runs(const struct machine *m) {
    return m->state == MACHINE_RUNNING || m->state == MACHINE_PAUSED;
}

/* Object path on the bus, the caller frees. */
int machine_path(const struct machine *m, char **ret);
/* Write it to the store. A failure is logged and returned, and the next look tries again. */
int machine_save(struct machine *m);
/* A row of the store as a machine. */
int machine_from_store(struct manager *mgr, const struct store_machine *row, struct machine **ret);
/* Set state and reason (NULL clears), write both, tell the bus. */
int machine_set_state(struct machine *m, enum machine_state s, const char *reason);
/* Paths in the machine's directory: "kernel", "initrd", "console.log", or "" for itself. */
int machine_file(const struct machine *m, const char *file, char **ret);
/* Look at RootVisor's counters again, at most every 50 ms. */
void machine_refresh(struct machine *m);

#endif
