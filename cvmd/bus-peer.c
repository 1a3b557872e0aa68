/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd.socket: the same objects for root without a bus in between, as systemd's own private socket is. There is no
 * daemon that would introduce a client, route and filter: the few calls that libraries make to one are answered here,
 * and a peer gets every signal.
 */
#include "bus.h"

#include "bus-introspect.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>

/* Local root may have as many as it likes; a program that forgets to close should not take cvmd's descriptors. */
#define PEERS_MAX 64u

struct bus_peer {
    sd_bus *bus;
    bool speaks; /* it has called something */
};

/* A client takes the answer to its Hello first of all, and breaks off at a signal before that. */
static int on_message(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    struct manager *m = userdata;

    (void)error;
    for (size_t i = 0; i < m->nr_peers; i++)
        if (m->peers[i].bus == sd_bus_message_get_bus(call))
            m->peers[i].speaks = true;
    return 0;
}

sd_bus *bus_nth(const struct manager *m, size_t i) {
    if (i == 0)
        return m->bus;
    return m->peers[i - 1].speaks ? m->peers[i - 1].bus : NULL;
}

static int method_hello(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    (void)userdata;
    (void)error;
    return sd_bus_reply_method_return(call, "s", ":1.1");
}

static int method_match(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    (void)userdata;
    (void)error;
    return sd_bus_reply_method_return(call, NULL);
}

static int method_owner(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *name;
    int r = sd_bus_message_read(call, "s", &name);

    (void)userdata;
    if (r < 0)
        return r;
    if (strcmp(name, BUS_NAME) != 0)
        return sd_bus_error_setf(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "only %s is here", BUS_NAME);
    return sd_bus_reply_method_return(call, "s", BUS_NAME);
}

static int method_has_owner(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *name;
    int r = sd_bus_message_read(call, "s", &name);

    (void)userdata;
    (void)error;
    return r < 0 ? r : sd_bus_reply_method_return(call, "b", strcmp(name, BUS_NAME) == 0);
}

static const sd_bus_vtable driver_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Hello", "", "s", method_hello, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("AddMatch", "s", "", method_match, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RemoveMatch", "s", "", method_match, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetNameOwner", "s", "s", method_owner, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("NameHasOwner", "s", "b", method_has_owner, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static void forget(struct manager *m, sd_bus *bus) {
    for (size_t i = 0; i < m->nr_peers; i++)
        if (m->peers[i].bus == bus) {
            m->peers[i] = m->peers[--m->nr_peers];
            break;
        }
    sd_bus_close_unref(bus);
}

static int on_disconnected(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
    (void)error;
    forget(userdata, sd_bus_message_get_bus(signal));
    return 0;
}

/* The mode of the socket keeps others out; this holds whatever its mode is. */
static int check_root(int fd) {
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    return peer.uid == 0 ? 0 : -EPERM;
}

static int serve(struct manager *m, sd_bus *bus, int fd) {
    sd_id128_t id;
    int r;

    r = sd_bus_set_fd(bus, fd, fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    r = sd_id128_randomize(&id);
    if (r >= 0)
        r = sd_bus_set_server(bus, true, id);
    if (r >= 0)
        r = sd_bus_negotiate_creds(bus, true, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID);
    if (r >= 0)
        r = sd_bus_set_sender(bus, BUS_NAME);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = bus_attach_objects(bus, m);
    if (r >= 0)
        r = sd_bus_add_filter(bus, NULL, on_message, m);
    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus", driver_vtable, m);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                      "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, m);
    return r < 0 ? r : sd_bus_attach_event(bus, m->event, SD_EVENT_PRIORITY_NORMAL);
}

static int on_connect(sd_event_source *source, int listener, uint32_t revents, void *userdata) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), r;
    struct manager *m = userdata;
    struct bus_peer *p;
    sd_bus *bus = NULL;

    (void)source;
    (void)revents;
    if (fd < 0)
        return 0; /* it has gone already */
    r = m->nr_peers < PEERS_MAX ? check_root(fd) : -EMFILE;
    p = r < 0 ? NULL : reallocarray(m->peers, m->nr_peers + 1, sizeof(*p));
    if (p)
        m->peers = p;
    if (r >= 0)
        r = p ? sd_bus_new(&bus) : -ENOMEM;
    if (r < 0) {
        log_warning("A client of cvmd.socket is turned away: %s", strerror(-r));
        close(fd);
        return 0;
    }
    m->peers[m->nr_peers++] = (struct bus_peer){.bus = bus};
    r = serve(m, bus, fd);
    if (r < 0) {
        if (r != -ECONNRESET && r != -EPIPE) /* it has gone already */
            log_warning("A client of cvmd.socket cannot be served: %s", strerror(-r));
        forget(m, bus);
    }
    return 0;
}

int bus_listen(struct manager *m) {
    int n = sd_listen_fds(true), r = n;

    for (int fd = SD_LISTEN_FDS_START; r >= 0 && fd < SD_LISTEN_FDS_START + n; fd++) {
        sd_event_source *source;

        r = sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1);
        if (r == 0)
            r = -EPROTOTYPE;
        if (r >= 0)
            r = sd_event_add_io(m->event, &source, fd, EPOLLIN, on_connect, m);
        if (r >= 0)
            r = sd_event_source_set_floating(source, true);
        if (r >= 0)
            sd_event_source_unref(source);
    }
    if (r < 0)
        log_error("The sockets that cvmd was given are of no use: %s", strerror(-r));
    return r < 0 ? r : n;
}

void bus_peers_free(struct manager *m) {
    while (m->nr_peers) {
        sd_bus_flush(m->peers[0].bus);
        forget(m, m->peers[0].bus);
    }
    free(m->peers);
    m->peers = NULL;
}
