/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt tells of a domain, and what that means for a machine: pure, and fuzzed (tests/fuzz/fuzz-domain.c).
 * libvirtd is another process, and other tools drive its domains: any event may come for any machine at any time.
 */
#ifndef CVMD_DOMAIN_EVENT_H
#define CVMD_DOMAIN_EVENT_H

#include "virt.h"

struct domain_event {
    enum virt_event event; /* not VIRT_LOST */
    char uuid[UUID_STRING_MAX];
    const char *detail; /* constant; NULL: there is nothing to say of it */
};

/**
 * domain_event_read - a lifecycle event
 * @event, @detail: virDomainEventType and what belongs to it; may be numbers of a later libvirt
 * @uuid: as text, of any length
 *
 * Returns 0; -ENOENT: none that cvmd acts on; -EBADMSG: @uuid is none.
 */
int domain_event_read(int event, int detail, const char *uuid, struct domain_event *ret);

/* A device that was added to or removed from a running domain; returns as domain_event_read(). */
int domain_event_device(bool added, const char *uuid, struct domain_event *ret);
/* A limit of a running domain that was set, maybe by cvmd itself: no detail. Returns as domain_event_read(). */
int domain_event_tunable(const char *uuid, struct domain_event *ret);

/* What cvmd knows of the machine. */
struct domain_event_view {
    bool active;     /* machine_is_active() */
    bool job;        /* a thread works on it */
    unsigned starts; /* that this cvmd asked for */
    unsigned unseen; /* of those, what libvirt has not told of yet */
};

enum domain_event_meaning {
    DOMAIN_EVENT_NOTHING,
    DOMAIN_EVENT_SEEN,    /* a start that was asked for: one less to be told of */
    DOMAIN_EVENT_ORPHAN,  /* a QEMU that nobody waits for: end it */
    DOMAIN_EVENT_ENDED,   /* the machine's QEMU has ended */
    DOMAIN_EVENT_PAUSED,
    DOMAIN_EVENT_RESUMED,
    DOMAIN_EVENT_CHANGED, /* it may not be what its settings say any more: look (outside.h) */
};

enum domain_event_meaning domain_event_judge(const struct domain_event_view *v, enum virt_event event);

#endif
