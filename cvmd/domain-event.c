/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-event.h"

#include <errno.h>
#include <libvirt/libvirt.h>

static const char *stopped_detail(int detail) {
    switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
        return "the guest powered off or was reset";
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
        return "QEMU was ended by request";
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        return "the guest crashed";
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
        return "QEMU failed";
    default:
        return "QEMU ended";
    }
}

static const char *suspended_detail(int detail) {
    switch (detail) {
    case VIR_DOMAIN_EVENT_SUSPENDED_IOERROR:
        return "paused: an I/O error of a disk";
    case VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG:
        return "paused by the guest's watchdog";
    default:
        return "paused by request";
    }
}

static int complete(struct domain_event *d, const char *uuid, struct domain_event *ret) {
    uint8_t bytes[16];

    if (uuid_from_string(uuid, bytes) < 0)
        return -EBADMSG;
    uuid_to_string(bytes, d->uuid);
    *ret = *d;
    return 0;
}

int domain_event_read(int event, int detail, const char *uuid, struct domain_event *ret) {
    struct domain_event d = {0};

    switch (event) {
    case VIR_DOMAIN_EVENT_STOPPED:
        d.event = VIRT_STOPPED;
        d.detail = stopped_detail(detail);
        break;
    case VIR_DOMAIN_EVENT_STARTED:
        d.event = VIRT_STARTED;
        d.detail = "started";
        break;
    case VIR_DOMAIN_EVENT_SUSPENDED:
        d.event = VIRT_PAUSED;
        d.detail = suspended_detail(detail);
        break;
    case VIR_DOMAIN_EVENT_RESUMED:
        d.event = VIRT_RESUMED;
        d.detail = "resumed";
        break;
    default:
        return -ENOENT;
    }
    return complete(&d, uuid, ret);
}

int domain_event_device(bool added, const char *uuid, struct domain_event *ret) {
    struct domain_event d = {.event = VIRT_CHANGED,
                             .detail = added ? "another program added a device to the running machine"
                                             : "another program removed a device of the running machine"};

    return complete(&d, uuid, ret);
}

int domain_event_tunable(const char *uuid, struct domain_event *ret) {
    struct domain_event d = {.event = VIRT_CHANGED};

    return complete(&d, uuid, ret);
}

enum domain_event_meaning domain_event_judge(const struct domain_event_view *v, enum virt_event event) {
    switch (event) {
    case VIRT_STARTED:
        if (!v->starts && !v->job && !v->active)
            return DOMAIN_EVENT_ORPHAN; /* a call of the cvmd before this one reached libvirt too late */
        return v->unseen ? DOMAIN_EVENT_SEEN : DOMAIN_EVENT_NOTHING;
    case VIRT_STOPPED: /* of a start that libvirt has not told of, it would be an older one's */
        return v->unseen ? DOMAIN_EVENT_NOTHING : DOMAIN_EVENT_ENDED;
    case VIRT_PAUSED:
        return DOMAIN_EVENT_PAUSED;
    case VIRT_RESUMED:
        return DOMAIN_EVENT_RESUMED;
    case VIRT_CHANGED:
        return v->active ? DOMAIN_EVENT_CHANGED : DOMAIN_EVENT_NOTHING;
    default:
        return DOMAIN_EVENT_NOTHING;
    }
}
