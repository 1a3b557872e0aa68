/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt, as far as cvmd needs it. The functions that talk to libvirtd block (a start takes as long
 * as QEMU's): call them from inbox_run() threads only. The connection opens at first use and again
 * after libvirtd came back.
 *
 * libvirt's events run in a thread of their own with libvirt's default loop, not on sd-event: libvirt
 * changes its handles from whichever thread makes a call, and sd-event belongs to one thread.
 */
#ifndef CVMD_VIRT_H
#define CVMD_VIRT_H

#include "inbox.h"

struct virt;

enum virt_event {
    VIRT_STOPPED, /* the domain ended; detail says how */
    VIRT_STARTED,
    VIRT_PAUSED,
    VIRT_RESUMED,
    VIRT_CHANGED, /* a device or a limit is another; detail NULL: of a limit, which may be cvmd's own doing */
    VIRT_LOST, /* the connection broke: events were missed, uuid is empty */
};

/* In the main thread. */
typedef void (*virt_event_fn)(void *userdata, enum virt_event event, const char *uuid, const char *detail);

int virt_new(const char *uri, struct inbox *inbox, virt_event_fn fn, void *userdata, struct virt **ret);
void virt_free(struct virt *v);
CVM_DEFINE_CLEANUP(struct virt *, virt_free)

/*
 * Errors common to all: -ENOTCONN libvirt cannot be reached; -EIO libvirt refused, see the text.
 */

/**
 * virt_start - start a transient domain
 * @console: its pseudo terminal, NULL if it has none; the caller frees
 */
int virt_start(struct virt *v, const char *xml, char **console, struct cvm_error *e);
/* Ask the guest to power off (ACPI). -ENOENT: no such domain. */
int virt_shutdown(struct virt *v, const char *uuid, struct cvm_error *e);
/* End it now. -ENOENT: no such domain. */
int virt_destroy(struct virt *v, const char *uuid, struct cvm_error *e);
int virt_suspend(struct virt *v, const char *uuid, struct cvm_error *e);
int virt_resume(struct virt *v, const char *uuid, struct cvm_error *e);

struct virt_limits {
    bool set_cpu_shares, set_cpu_quota, set_io_weight; /* the others stay as they are */
    uint64_t cpu_shares;
    uint32_t cpu_quota, io_weight; /* as in struct domain_shape */
};
/* Of a running domain. */
int virt_set_limits(struct virt *v, const char *uuid, const struct virt_limits *l, struct cvm_error *e);

enum virt_state {
    VIRT_STATE_NONE, /* no such domain, or it does not run */
    VIRT_STATE_RUNNING,
    VIRT_STATE_PAUSED,
};
/* Returns one of those; -EBUSY: on its way, ask again. @console as in virt_start(). */
int virt_state(struct virt *v, const char *uuid, char **console, struct cvm_error *e);
/* What libvirt says of a domain; the caller frees. -ENOENT: no such domain. */
int virt_xml(struct virt *v, const char *uuid, char **ret, struct cvm_error *e);

#endif
