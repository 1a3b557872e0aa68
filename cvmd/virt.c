/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt-internal.h"

#include "domain-event.h"
#include "domain-xml.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* libvirtd that does not answer for two minutes counts as gone; the emulated host is slow. */
#define KEEPALIVE_SEC 15
#define KEEPALIVE_COUNT 8

struct virt {
    char *uri;
    struct inbox *inbox;
    virt_event_fn fn;
    void *userdata;
    pthread_mutex_t lock; /* of what follows */
    virConnectPtr conn;
    int callbacks[4];
    unsigned refs; /* the owner's, and one for each connection whose events libvirt may still deliver */
    bool closed;
};

struct notice {
    struct virt *v;
    enum virt_event event;
    char uuid[UUID_STRING_MAX];
    const char *detail; /* constant, or NULL */
};

static void deliver(void *data) {
    struct notice *n = data;

    n->v->fn(n->v->userdata, n->event, n->uuid, n->detail);
    free(n);
}

static void notify(struct virt *v, enum virt_event event, const char *uuid, const char *detail) {
    struct notice *n = malloc(sizeof(*n));
    int r = -ENOMEM;

    if (n) {
        *n = (struct notice){.v = v, .event = event, .detail = detail};
        memcpy(n->uuid, uuid, strlen(uuid) + 1);
        pthread_mutex_lock(&v->lock);
        r = v->closed ? -ESHUTDOWN : inbox_post(v->inbox, deliver, n);
        pthread_mutex_unlock(&v->lock);
        if (r < 0)
            free(n);
    }
    if (r == -ENOMEM)
        log_error("Out of memory: an event of libvirt is lost");
}

static void virt_unref(void *data) {
    struct virt *v = data;
    bool last;

    pthread_mutex_lock(&v->lock);
    last = --v->refs == 0;
    pthread_mutex_unlock(&v->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&v->lock);
    free(v->uri);
    free(v);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque) {
    char uuid[VIR_UUID_STRING_BUFLEN];
    struct domain_event d;

    (void)conn;
    if (sym_virDomainGetUUIDString(dom, uuid) == 0 && domain_event_read(event, detail, uuid, &d) == 0)
        notify(opaque, d.event, d.uuid, d.detail);
    return 0;
}

static void on_device(void *opaque, virDomainPtr dom, bool added) {
    char uuid[VIR_UUID_STRING_BUFLEN];
    struct domain_event d;

    if (sym_virDomainGetUUIDString(dom, uuid) == 0 && domain_event_device(added, uuid, &d) == 0)
        notify(opaque, d.event, d.uuid, d.detail);
}

static void on_added(virConnectPtr conn, virDomainPtr dom, const char *alias, void *opaque) {
    (void)conn;
    (void)alias;
    on_device(opaque, dom, true);
}

static void on_removed(virConnectPtr conn, virDomainPtr dom, const char *alias, void *opaque) {
    (void)conn;
    (void)alias;
    on_device(opaque, dom, false);
}

static void on_tunable(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params, int n, void *opaque) {
    char uuid[VIR_UUID_STRING_BUFLEN];
    struct domain_event d;

    (void)conn;
    (void)params;
    (void)n;
    if (sym_virDomainGetUUIDString(dom, uuid) == 0 && domain_event_tunable(uuid, &d) == 0)
        notify(opaque, d.event, d.uuid, d.detail);
}

static void on_close(virConnectPtr conn, int reason, void *opaque) {
    (void)conn;
    (void)reason;
    notify(opaque, VIRT_LOST, "", "the connection to libvirt broke");
}

static void quiet(void *userdata, virErrorPtr e) {
    (void)userdata;
    (void)e;
}

static void *event_thread(void *data) {
    (void)data;
    for (;;)
        if (sym_virEventRunDefaultImpl() < 0)
            log_warning("libvirt's event loop: %s", sym_virGetLastErrorMessage());
    return NULL;
}

static void on_tick(int timer, void *opaque) {
    (void)timer;
    (void)opaque;
}

/* Once a process, before the first connection; the thread lives as long as the process. */
static void start_events(void) {
    sigset_t all, old;
    pthread_t thread;

    sym_virSetErrorFunc(NULL, quiet);
    if (sym_virInitialize() < 0 || sym_virEventRegisterDefaultImpl() < 0) {
        log_error("libvirt's event loop cannot be set up: %s", sym_virGetLastErrorMessage());
        return;
    }
    sym_virEventAddTimeout(60000, on_tick, NULL, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&thread, NULL, event_thread, NULL) == 0)
        pthread_detach(thread);
    else
        log_error("No thread for libvirt's events");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int virt_new(const char *uri, struct inbox *inbox, virt_event_fn fn, void *userdata, struct virt **ret) {
    _cleanup_(virt_freep) struct virt *v = NULL;

    v = calloc(1, sizeof(*v));
    if (!v)
        return -ENOMEM;
    pthread_mutex_init(&v->lock, NULL);
    v->refs = 1;
    v->inbox = inbox;
    v->fn = fn;
    v->userdata = userdata;
    v->uri = strdup(uri);
    if (!v->uri)
        return -ENOMEM;
    *ret = TAKE_PTR(v);
    return 0;
}

/* Not under the lock: libvirt may call virt_unref() from in here. */
static void drop(struct virt *v, virConnectPtr conn) {
    sym_virConnectUnregisterCloseCallback(conn, on_close);
    for (unsigned i = 0; i < ELEMENTSOF(v->callbacks); i++)
        if (v->callbacks[i] >= 0)
            sym_virConnectDomainEventDeregisterAny(conn, v->callbacks[i]);
    sym_virConnectClose(conn);
}

void virt_free(struct virt *v) {
    virConnectPtr conn;

    if (!v)
        return;
    pthread_mutex_lock(&v->lock);
    v->closed = true;
    conn = v->conn;
    v->conn = NULL;
    pthread_mutex_unlock(&v->lock);
    if (conn)
        drop(v, conn);
    virt_unref(v);
}

int virt_error(struct cvm_error *e, int r, const char *what) {
    return cvm_error_set(e, r, "%s: %s", what, sym_virGetLastErrorMessage());
}

/* A driver without events of devices and limits does as well. */
static int register_events(struct virt *v, virConnectPtr conn) {
    const struct {
        int id;
        virConnectDomainEventGenericCallback fn;
    } events[ELEMENTSOF(v->callbacks)] = {
        {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
        {VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_added)},
        {VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_removed)},
        {VIR_DOMAIN_EVENT_ID_TUNABLE, VIR_DOMAIN_EVENT_CALLBACK(on_tunable)},
    };

    for (unsigned i = 0; i < ELEMENTSOF(events); i++) {
        v->refs++;
        v->callbacks[i] = sym_virConnectDomainEventRegisterAny(conn, NULL, events[i].id, events[i].fn, v, virt_unref);
        if (v->callbacks[i] < 0)
            v->refs--;
    }
    return v->callbacks[0];
}

static int open_connection(struct virt *v, virConnectPtr *ret, struct cvm_error *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    virConnectPtr conn;
    int r;

    r = libvirt_load(e);
    if (r < 0)
        return r;
    pthread_once(&once, start_events);
    conn = sym_virConnectOpen(v->uri);
    if (!conn)
        return virt_error(e, -ENOTCONN, "libvirt cannot be reached (is libvirtd running?)");
    if (register_events(v, conn) < 0) {
        sym_virConnectClose(conn);
        return virt_error(e, -EIO, "libvirt gives no events");
    }
    /* A driver inside this process has neither a connection to lose nor a keepalive. Unregistering waits for
     * the callback, so it needs no reference. */
    sym_virConnectRegisterCloseCallback(conn, on_close, v, NULL);
    sym_virConnectSetKeepAlive(conn, KEEPALIVE_SEC, KEEPALIVE_COUNT);
    *ret = conn;
    return 0;
}

/* A reference of its own for the caller. */
static int acquire(struct virt *v, virConnectPtr *ret, struct cvm_error *e) {
    virConnectPtr dead = NULL;
    int r = 0;

    pthread_mutex_lock(&v->lock);
    if (v->conn && sym_virConnectIsAlive(v->conn) != 1) {
        dead = v->conn;
        v->conn = NULL;
    }
    if (!v->conn && !dead)
        r = open_connection(v, &v->conn, e);
    if (r == 0 && v->conn) {
        sym_virConnectRef(v->conn);
        *ret = v->conn;
    }
    pthread_mutex_unlock(&v->lock);
    if (!dead)
        return r;
    drop(v, dead);
    return acquire(v, ret, e);
}

int virt_find(struct virt *v, const char *uuid, struct virt_found *ret, struct cvm_error *e) {
    int r = acquire(v, &ret->conn, e);

    if (r < 0)
        return r;
    ret->dom = sym_virDomainLookupByUUIDString(ret->conn, uuid);
    if (!ret->dom) {
        r = sym_virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? -ENOENT : -EIO;
        return virt_error(e, r, "libvirt does not find the domain");
    }
    return 0;
}

int virt_console_of(virDomainPtr dom, char **ret) {
    _cleanup_free_ char *xml = sym_virDomainGetXMLDesc(dom, 0);
    int r;

    *ret = NULL;
    if (!xml)
        return -EIO;
    r = domain_xml_console(xml, ret);
    return r == -ENOENT ? 0 : r;
}

int virt_start(struct virt *v, const char *xml, char **console, struct cvm_error *e) {
    _cleanup_conn_ virConnectPtr conn = NULL;
    _cleanup_domain_ virDomainPtr dom = NULL;
    int r;

    r = acquire(v, &conn, e);
    if (r < 0)
        return r;
    dom = sym_virDomainCreateXML(conn, xml, VIR_DOMAIN_NONE);
    if (!dom)
        return virt_error(e, -EIO, "libvirt did not start the domain");
    r = virt_console_of(dom, console);
    if (r < 0) {
        sym_virDomainDestroy(dom); /* a failed start leaves nothing behind */
        return cvm_error_set(e, r, "libvirt does not tell the domain's console");
    }
    return 0;
}
