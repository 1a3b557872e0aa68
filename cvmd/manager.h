/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of the daemon and what it does with machines. Everything here runs in the main thread
 * and does not block; what blocks goes to threads (inbox.h).
 */
#ifndef CVMD_MANAGER_H
#define CVMD_MANAGER_H

#include "config.h"
#include "machine.h"
#include "operation.h"
#include "options.h"
#include "rootvisor.h"
#include "virt.h"

struct manager {
    struct config *config;
    const struct config_source *source; /* where to read it again; NULL: nowhere */
    sd_event *event;
    sd_bus *bus; /* NULL: no bus, or not yet */
    struct bus_peer *peers; /* connections of cvmd.socket */
    size_t nr_peers;
    struct store *store;
    struct inbox *inbox;
    struct virt *virt;
    struct quoter *quoter;            /* NULL: no TPM */
    struct rootvisor *rootvisor;      /* NULL: protection level none */
    struct cvm_error rootvisor_error; /* why */
    uint64_t host_memory;             /* bytes */
    char *boot_id;                    /* of the host's kernel: RootVisor's event numbers start anew */
    uint64_t next_seq;                /* of RootVisor's events */
    bool unanchored;                  /* the audit log has entries that RootVisor has not recorded */
    uint64_t anchored;                /* CLOCK_MONOTONIC */
    struct cvm_host_info info;        /* of the last look, see manager_look_host() */
    struct cvm_stats stats;
    uint64_t looked; /* CLOCK_MONOTONIC */

    struct machine **machines; /* sorted by name */
    size_t nr_machines;
    struct operation **operations; /* sorted by id, so by time */
    size_t nr_operations;
    struct image **images; /* sorted by digest */
    size_t nr_images;
    struct authorization *authorizations; /* that polkit has not answered yet */

    bool unsettled;             /* store_settle_audit() failed */
    bool changing, relaxed;     /* change.h */
    bool corked;                /* signals wait: bus_cork() */
    struct bus_signal *signals; /* in order */

    sd_event_source *watch;   /* timer of the periodic look */
    sd_event_source *release; /* gives frames back, piece by piece */
    sd_event_source *reconnect;
    bool reconciling;
    bool rounding;    /* outside_round() */
    uint64_t rounded; /* CLOCK_MONOTONIC of its end */

    struct ca *ca;     /* of the gateway's clients; NULL until it is needed */
    uid_t gateway_uid; /* of the last caller that was the gateway */
    bool gateway_uid_known;
};

/**
 * manager_new - open the store, find RootVisor, load the machines
 *
 * Takes nothing; @config and @event must outlive it. Puts no object on a bus.
 */
int manager_new(struct config *config, sd_event *event, struct manager **ret, struct cvm_error *e);
void manager_free(struct manager *m);
CVM_DEFINE_CLEANUP(struct manager *, manager_free)

/* After the bus is there: compare the store with libvirt and RootVisor, start watching. */
int manager_start(struct manager *m);

/* To the service manager. */
void manager_tell_ready(const struct manager *m);

struct machine *manager_find(struct manager *m, const char *name);
struct machine *manager_find_uuid(struct manager *m, const char *uuid);
int manager_add(struct manager *m, struct machine *machine);     /* takes it */
void manager_remove(struct manager *m, struct machine *machine); /* frees it */

/* Read RootVisor's list of VMs and act on what changed. */
void manager_look(struct manager *m);
/* Read RootVisor's description of the host and its counters, at most every 50 ms: reading all properties of
 * the Host object costs two calls, so two exits. All 0 without RootVisor. */
int manager_look_host(struct manager *m);
/* Read what RootVisor says of one machine, and do nothing about it. */
void machine_look(struct machine *m);
/* The next look soon: a machine changed its state. */
void manager_watch(struct manager *m);

/*
 * What callers ask for: the bus, and the gateway for its clients. All take
 * @who:   in words, for the audit log and the operation; permission has been checked
 * @error: name and text if the request is refused at once
 * and return 0 or a negative errno with @error set. @ret: the operation, owned by the manager.
 */

/* --- launch.c --- */
/* Done when its files are there; the descriptors in @o are duplicated. */
int manager_define(struct manager *m, const char *name, const struct machine_options *o, const char *who,
                   struct operation **ret, sd_bus_error *error);
/* Define and start; the descriptors in @o are duplicated. */
int manager_launch(struct manager *m, const char *name, const struct machine_options *o, const char *who,
                   struct operation **ret, sd_bus_error *error);
int manager_start_machine(struct manager *m, const char *name, const char *who, struct operation **ret,
                          sd_bus_error *error);
/* A STARTING machine, and its QEMU runs. */
void launch_qemu_runs(struct machine *m);
/* A STARTING machine: what RootVisor says of it now. */
void launch_progress(struct machine *m);
/* The end of a launch that never ran: as if it had not been asked for, but for operation and audit log. If the store cannot be written
 * the machine stays, with @text as its reason. */
void launch_undo(struct machine *m, const char *name, const char *text);
/* Of a start with machine->cancel: why; and its operation's end: cancelled, or failed if cvmd itself took it back. */
const char *launch_cancel_text(const struct machine *m);
void launch_cancelled(struct machine *m, struct operation *op);
/* Start it, for an operation that is there already. */
void machine_start(struct machine *k, struct operation *op);

/* --- settings.c --- */
/* Done when this returns, unless libvirt has to change something. */
int manager_set_properties(struct manager *m, const char *name, const struct machine_options *o, const char *who,
                           struct operation **ret, sd_bus_error *error);
/* A running machine's domain gets the limits that the store knows: a change of them was interrupted. */
void settings_restore(struct machine *k);

/* --- delete.c --- */
int manager_delete(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error);

/* --- pause.c --- */
int manager_pause(struct manager *m, const char *name, const char *who, struct operation **ret,
                  sd_bus_error *error);
int manager_resume(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error);
/* libvirt says so. */
void pause_event(struct machine *k, bool paused, const char *detail);

/* --- restart.c --- */
/* A machine that ended unasked: start it again some time later if its policy says so. */
void restart_later(struct machine *k);
void restart_look(struct manager *m);
void autostart(struct manager *m);

/* --- image-import.c, image-delete.c --- */
/* @kind: kernel, initrd, cmdline, disk; @fd: duplicated; @digest: that it must have, or NULL. */
int manager_import_image(struct manager *m, const char *name, const char *kind, int fd, const char *digest,
                         const char *who, struct operation **ret, sd_bus_error *error);
int manager_delete_image(struct manager *m, const char *digest, const char *who, struct operation **ret,
                         sd_bus_error *error);
int manager_collect_images(struct manager *m, const char *who, struct operation **ret, sd_bus_error *error);

/* --- reload.c --- */
/* Reads the configuration again; an error changes nothing. */
int manager_reload(struct manager *m, const char *who, sd_bus_error *error);

/* --- lifecycle.c --- */
int manager_stop(struct manager *m, const char *name, bool force, const char *who, struct operation **ret,
                 sd_bus_error *error);
int manager_kill(struct manager *m, const char *name, const char *who, struct operation **ret,
                 sd_bus_error *error);
int manager_reboot(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error);
/* Set @error and return a negative errno. */
int no_such_machine(sd_bus_error *error, const char *name);
int machine_busy(sd_bus_error *error, const struct machine *k);
/* Ends QEMU; the machine then takes @final and @reason. */
void machine_end(struct machine *m, enum machine_state final, const char *reason);
/* A thread that worked for a machine, neither starting nor stopping it, is done: what came meanwhile goes on. */
void machine_job_done(struct machine *m);
/* QEMU has ended: give the frames back, then take the final state. */
void machine_ended(struct machine *m, const char *detail);
/* A machine that a restart found STOPPING: how it will have ended. */
void lifecycle_take_up_end(struct machine *m);
void lifecycle_event(void *userdata, enum virt_event event, const char *uuid, const char *detail);

/* --- reconcile.c --- */
void manager_reconcile(struct manager *m);

/* --- audit.c --- */
/* An event of cvmd's own; @machine and @who may be NULL. */
void audit(struct manager *m, const struct machine *machine, const char *event, const char *who,
           const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Bring RootVisor's events into the store. */
void audit_pull(struct manager *m);
/* The same, and have RootVisor record and sign what is there. */
void audit_anchor(struct manager *m);
/* The periodic look: one or the other. */
void audit_watch(struct manager *m);

#endif
