/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals, to all connections. While corked they wait, in order: what they tell of is not durable yet. */
#include "bus.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { ADDED, REMOVED, CHANGED, SIGNAL };

struct bus_signal {
    struct bus_signal *next;
    enum kind kind;
    char *path;
    const char *interface;    /* constants, as what follows */
    const char *const *names; /* CHANGED: of the properties */
    const char *member;       /* SIGNAL */
};

static void tell(struct manager *m, const struct bus_signal *s) {
    sd_bus *bus;

    BUS_FOREACH(bus, m) switch (s->kind) {
    case ADDED:
        (void)sd_bus_emit_object_added(bus, s->path);
        break;
    case REMOVED:
        (void)sd_bus_emit_object_removed(bus, s->path);
        break;
    case CHANGED:
        (void)sd_bus_emit_properties_changed_strv(bus, s->path, s->interface, (char **)s->names);
        break;
    case SIGNAL:
        (void)sd_bus_emit_signal(bus, s->path, s->interface, s->member, NULL);
        break;
    }
}

static bool same(const struct bus_signal *a, const struct bus_signal *b) {
    return a->kind == b->kind && a->interface == b->interface && a->names == b->names && a->member == b->member &&
           strcmp(a->path, b->path) == 0;
}

/* One of a kind will do, if nothing came between: values are read when it goes out. */
static void emit(struct manager *m, const struct bus_signal *s) {
    struct bus_signal **end = &m->signals, *last = NULL;

    if (!m->corked) {
        tell(m, s);
        return;
    }
    for (; *end; end = &(*end)->next)
        last = *end;
    if (last && same(last, s))
        return;
    *end = calloc(1, sizeof(**end));
    if (*end) {
        **end = *s;
        (*end)->path = strdup(s->path);
        if ((*end)->path)
            return;
        free(*end);
        *end = NULL;
    }
    log_error("Out of memory: a signal of %s is lost", s->path);
}

void bus_cork(struct manager *m) {
    m->corked = true;
}

static void drain(struct manager *m, bool send) {
    m->corked = false;
    while (m->signals) {
        struct bus_signal *s = m->signals;

        m->signals = s->next;
        if (send)
            tell(m, s);
        free(s->path);
        free(s);
    }
}

void bus_uncork(struct manager *m) {
    drain(m, true);
}

void bus_forget_corked(struct manager *m) {
    drain(m, false);
}

void bus_emit_added(struct manager *m, const char *path) {
    emit(m, &(struct bus_signal){.kind = ADDED, .path = (char *)path});
}

void bus_emit_removed(struct manager *m, const char *path) {
    emit(m, &(struct bus_signal){.kind = REMOVED, .path = (char *)path});
}

void bus_emit_changed(struct manager *m, const char *path, const char *interface, const char *const *names) {
    emit(m, &(struct bus_signal){.kind = CHANGED, .path = (char *)path, .interface = interface, .names = names});
}

static void gateway_signal(struct manager *m, const char *member) {
    emit(m, &(struct bus_signal){.kind = SIGNAL, .path = (char *)BUS_MANAGER_PATH, .interface = BUS_GATEWAY_INTERFACE, .member = member});
}

void bus_clients_changed(struct manager *m) {
    gateway_signal(m, "ClientsChanged");
}

void bus_audit_appended(struct manager *m) {
    gateway_signal(m, "AuditAppended");
}
