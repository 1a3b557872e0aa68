/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd-rest: options, sockets from the service manager, the event loop.
 */
#include "rest.h"

#include "events.h"
#include "mirror.h"
#include "routes.h"
#include "tls.h"

#include "cvmd/log.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define TICK_USEC 1000000u
#define KEEP_ALIVE_TICKS 15u
#define END_USEC 3000000u

struct options {
    const char *names, *key, *certificate, *authority;
};

static void help(void) {
    puts("cvmd-rest [OPTION...]\n"
         "\n"
         "The REST interface of cvmd; serves on the sockets that systemd hands over. See cvmd-rest(8).\n"
         "\n"
         "  --bus-address=ADDR      this D-Bus bus instead of the system bus\n"
         "  --names=NAME,...        names and addresses of this host in its certificate\n"
         "  --certificate=FILE --key=FILE --authority=FILE\n"
         "                          PEM files instead of a certificate from cvmd\n"
         "  --upload-dir=DIR        where images are kept while they come (default: /var/tmp)\n"
         "  --max-connections=N     of each socket (default: 2048)\n"
         "  --max-upload=BYTES      of an image (default: 64 GiB)\n"
         "  --header-timeout=SEC    for a request's head, and between requests (default: 30)\n"
         "  --body-timeout=SEC      for a body, and 1 s more for each 64 KiB (default: 30)\n"
         "      --routes            print the table of routes\n"
         "  -h, --help              this text\n"
         "      --version           version");
}

static int number(const char *s, uint64_t max, uint64_t *ret) {
    char *end;

    errno = 0;
    *ret = strtoull(s, &end, 10);
    if (s[0] < '0' || s[0] > '9' || *end || errno || *ret < 1 || *ret > max) {
        fprintf(stderr, "cvmd-rest: '%s' is no number from 1 to %llu\n", s, (unsigned long long)max);
        return -EINVAL;
    }
    return 0;
}

/* Returns 1 to go on, 0 when done, -EINVAL. */
static int parse_argv(int argc, char **argv, struct options *o, struct rest *rest) {
    enum { OPT_BUS = 256, OPT_NAMES, OPT_KEY, OPT_CERT, OPT_AUTHORITY, OPT_DIR, OPT_CONNECTIONS, OPT_UPLOAD, OPT_HEADER, OPT_BODY, OPT_ROUTES, OPT_VERSION };
    static const struct option longopts[] = {
        {"bus-address", required_argument, NULL, OPT_BUS},
        {"names", required_argument, NULL, OPT_NAMES},
        {"key", required_argument, NULL, OPT_KEY},
        {"certificate", required_argument, NULL, OPT_CERT},
        {"authority", required_argument, NULL, OPT_AUTHORITY},
        {"upload-dir", required_argument, NULL, OPT_DIR},
        {"max-connections", required_argument, NULL, OPT_CONNECTIONS},
        {"max-upload", required_argument, NULL, OPT_UPLOAD},
        {"header-timeout", required_argument, NULL, OPT_HEADER},
        {"body-timeout", required_argument, NULL, OPT_BODY},
        {"routes", no_argument, NULL, OPT_ROUTES},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPT_VERSION},
        {0},
    };
    uint64_t n;
    int c, r = 0;

    while (r >= 0 && (c = getopt_long(argc, argv, "h", longopts, NULL)) >= 0)
        switch (c) {
        case OPT_BUS:
            if (setenv("DBUS_SYSTEM_BUS_ADDRESS", optarg, 1) < 0)
                return -errno;
            break;
        case OPT_NAMES:
            o->names = optarg;
            break;
        case OPT_KEY:
            o->key = optarg;
            break;
        case OPT_CERT:
            o->certificate = optarg;
            break;
        case OPT_AUTHORITY:
            o->authority = optarg;
            break;
        case OPT_DIR:
            rest->upload_directory = optarg;
            break;
        case OPT_CONNECTIONS:
            r = number(optarg, 100000, &n);
            if (r >= 0)
                rest->limits.connections = rest->limits.connections_of_ip = (unsigned)n;
            break;
        case OPT_UPLOAD:
            r = number(optarg, UINT64_MAX - 1, &rest->limits.upload);
            break;
        case OPT_HEADER:
            r = number(optarg, 3600, &n);
            rest->limits.header_usec = n * 1000000u;
            break;
        case OPT_BODY:
            r = number(optarg, 3600, &n);
            rest->limits.body_usec = n * 1000000u;
            break;
        case OPT_ROUTES:
            for (size_t i = 0; i < nr_routes; i++)
                printf("%s %s\n", routes[i].method, routes[i].path);
            return 0;
        case OPT_VERSION:
            puts("cvmd-rest " CVMD_VERSION);
            return 0;
        case 'h':
            help();
            return 0;
        default:
            return -EINVAL;
        }
    if (r >= 0 && optind < argc) {
        fprintf(stderr, "cvmd-rest takes no argument '%s'; see cvmd-rest --help\n", argv[optind]);
        return -EINVAL;
    }
    if (r >= 0 && (!o->key != !o->certificate || !o->key != !o->authority)) {
        fprintf(stderr, "cvmd-rest: --key, --certificate and --authority go together\n");
        return -EINVAL;
    }
    return r < 0 ? r : 1;
}

static int on_clients_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    (void)m;
    (void)error;
    access_forget(userdata);
    return 0;
}

static int on_appended(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    (void)m;
    (void)error;
    events_wake(userdata);
    return 0;
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata) {
    (void)usec;
    (void)userdata;
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
    static unsigned ticks;
    struct rest *rest = userdata;

    (void)usec;
    peers_tick(rest);
    access_tick(rest);
    if (++ticks % KEEP_ALIVE_TICKS == 0)
        events_keep_alive(rest);
    if (rest->stopping && rest->inflight == 0)
        return sd_event_exit(rest->event, 0);
    (void)sd_event_source_set_time_relative(source, rest->stopping ? TICK_USEC / 20 : TICK_USEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Requests under way are answered; the sockets stay with systemd, where new ones wait. */
static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
    struct rest *rest = userdata;

    (void)source;
    (void)si;
    (void)sd_notify(false, "STOPPING=1");
    server_stop(rest);
    (void)sd_event_source_set_time_relative(rest->tick, 0);
    return sd_event_add_time_relative(rest->event, NULL, CLOCK_MONOTONIC, END_USEC, 0, on_end, rest);
}

static int setup_event(struct rest *rest) {
    sigset_t mask;
    int r;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    r = sd_event_default(&rest->event);
    if (r >= 0)
        r = sd_event_add_signal(rest->event, NULL, SIGTERM, on_signal, rest);
    if (r >= 0)
        r = sd_event_add_signal(rest->event, NULL, SIGINT, on_signal, rest);
    if (r >= 0)
        r = sd_event_add_time_relative(rest->event, &rest->tick, CLOCK_MONOTONIC, TICK_USEC, 0, on_tick, rest);
    if (r >= 0)
        r = sd_event_set_watchdog(rest->event, true);
    return r;
}

static int setup_bus(struct rest *rest) {
    int r = sd_bus_open_system(&rest->bus);

    if (r >= 0)
        r = sd_bus_set_exit_on_disconnect(rest->bus, true);
    if (r >= 0)
        r = sd_bus_match_signal_async(rest->bus, NULL, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, "ClientsChanged",
                                      on_clients_changed, NULL, rest);
    if (r >= 0)
        r = sd_bus_match_signal_async(rest->bus, NULL, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, "AuditAppended", on_appended, NULL,
                                      rest);
    return r;
}

static int listen_all(struct rest *rest, const struct options *o, struct cvm_error *e) {
    int n = sd_listen_fds(true), r = 0;

    if (n < 1)
        return cvm_error_set(e, -EINVAL, "no sockets: cvmd-rest is started by cvmd-rest.socket");
    for (int fd = SD_LISTEN_FDS_START; r >= 0 && fd < SD_LISTEN_FDS_START + n; fd++) {
        bool tls = sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0;

        if (tls && sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            return cvm_error_set(e, -EINVAL, "descriptor %d is no listening stream socket", fd);
        if (tls && !rest->tls)
            r = o->key ? tls_load(o->key, o->certificate, o->authority, &rest->tls, e) : tls_new(rest, o->names, &rest->tls, e);
        if (r >= 0)
            r = server_listen(rest, fd, tls, e);
    }
    return r;
}

static int run(struct rest *rest, const struct options *o) {
    struct cvm_error e = {0};
    int r;

    r = setup_event(rest);
    if (r < 0) {
        log_error("The event loop cannot be set up: %s", strerror(-r));
        return r;
    }
    r = setup_bus(rest);
    if (r < 0) {
        log_error("The bus cannot be reached: %s", strerror(-r));
        return r;
    }
    r = listen_all(rest, o, &e);
    if (r < 0) {
        log_error("%s", e.text);
        return r;
    }
    r = sd_bus_attach_event(rest->bus, rest->event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = mirror_new(rest);
    if (r < 0) {
        log_error("The bus cannot be used: %s", strerror(-r));
        return r;
    }
    (void)sd_notifyf(false, "READY=1\nSTATUS=Serving on %u sockets", rest->nr_listeners);
    return sd_event_loop(rest->event);
}

/* A descriptor for each connection. */
static void raise_limit(void) {
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

int main(int argc, char **argv) {
    struct options o = {0};
    struct rest rest = {
        .limits = {.connections = 2048,
                   .connections_of_ip = 2048,
                   .body = 64u << 10,
                   .upload = 64ull << 30,
                   .memory = 32u << 10,
                   .header_usec = 30000000,
                   .body_usec = 30000000,
                   .rate = 64u << 10,
                   .followers = 512},
        .upload_directory = "/var/tmp",
        .started = now_usec(CLOCK_REALTIME),
    };
    int r;

    r = parse_argv(argc, argv, &o, &rest);
    if (r <= 0)
        return r < 0 ? 2 : EXIT_SUCCESS;
    raise_limit();
    r = run(&rest, &o);
    /* What is under way refers to everything: the process ends with it. */
    if (rest.bus)
        sd_bus_flush(rest.bus);
    fflush(NULL);
    _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
