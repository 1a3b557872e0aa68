/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd: options, event loop, bus. Everything else hangs below struct manager.
 */
#include "bus.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUS_RETRY_USEC 1000000u

struct options {
    struct config_source source;
    bool check;
};

static void help(void) {
    puts("cvmd [OPTION...]\n"
         "\n"
         "Runs protected virtual machines on this host; see cvmd(8).\n"
         "\n"
         "  --config=FILE        read FILE, and FILE.d/*.conf, instead of /etc/cvmd/cvmd.conf and drop-ins\n"
         "  --bus-address=ADDR   this D-Bus bus instead of the system bus\n"
         "  --libvirt-uri=URI    this libvirt instead of qemu:///system\n"
         "  --state-dir=DIR      keep state in DIR instead of /var/lib/cvmd\n"
         "  --firmware=FILE      the guest firmware cvmboot\n"
         "  --domain-type=TYPE   libvirt domain type: kvm; qemu and test for tests\n"
         "  --check              only tell whether the configuration is valid\n"
         "  -h, --help           this text\n"
         "      --version        version");
}

/* Returns 1 to go on, 0 when done, -EINVAL. */
static int parse_argv(int argc, char **argv, struct options *o) {
    enum { OPT_CONFIG = 256, OPT_CHECK, OPT_BUS, OPT_URI, OPT_STATE, OPT_FIRMWARE, OPT_TYPE, OPT_VERSION };
    static const struct option longopts[] = {
        {"config", required_argument, NULL, OPT_CONFIG},
        {"bus-address", required_argument, NULL, OPT_BUS},
        {"libvirt-uri", required_argument, NULL, OPT_URI},
        {"state-dir", required_argument, NULL, OPT_STATE},
        {"firmware", required_argument, NULL, OPT_FIRMWARE},
        {"domain-type", required_argument, NULL, OPT_TYPE},
        {"check", no_argument, NULL, OPT_CHECK},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPT_VERSION},
        {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", longopts, NULL)) >= 0)
        switch (c) {
        case OPT_CONFIG:
            o->source.file = optarg;
            break;
        case OPT_CHECK:
            o->check = true;
            break;
        case OPT_BUS:
            if (setenv("DBUS_SYSTEM_BUS_ADDRESS", optarg, 1) < 0)
                return -errno;
            break;
        case OPT_URI:
            o->source.libvirt_uri = optarg;
            break;
        case OPT_STATE:
            o->source.state_directory = optarg;
            break;
        case OPT_FIRMWARE:
            o->source.firmware = optarg;
            break;
        case OPT_TYPE:
            o->source.domain_type = optarg;
            break;
        case OPT_VERSION:
            puts("cvmd " CVMD_VERSION);
            return 0;
        case 'h':
            help();
            return 0;
        default:
            return -EINVAL;
        }
    if (optind < argc) {
        fprintf(stderr, "cvmd takes no argument '%s'; see cvmd --help\n", argv[optind]);
        return -EINVAL;
    }
    return 1;
}

/* When the bus goes, cvmd ends: the service manager starts it again, with the bus or for cvmd.socket alone. */
static int join_bus(struct manager *m) {
    int r = sd_bus_open_system(&m->bus);

    if (r >= 0)
        r = sd_bus_set_exit_on_disconnect(m->bus, true);
    if (r >= 0)
        r = sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
    if (r < 0)
        m->bus = sd_bus_close_unref(m->bus);
    return r;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
    struct manager *m = userdata;

    (void)usec;
    if (join_bus(m) >= 0) {
        int r = bus_attach(m);

        if (r >= 0)
            log_notice("The bus is there");
        return r < 0 ? sd_event_exit(m->event, r) : 0;
    }
    (void)sd_event_source_set_time_relative(source, BUS_RETRY_USEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int wait_for_bus(struct manager *m) {
    return sd_event_add_time_relative(m->event, NULL, CLOCK_MONOTONIC, BUS_RETRY_USEC, 0, on_retry, m);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)source;
    (void)si;
    (void)manager_reload(userdata, "SIGHUP", &error);
    return 0;
}

static int setup_event(sd_event **ret) {
    sigset_t mask;
    int r;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    r = sd_event_default(ret);
    if (r >= 0)
        r = sd_event_add_signal(*ret, NULL, SIGTERM, NULL, NULL);
    if (r >= 0)
        r = sd_event_add_signal(*ret, NULL, SIGINT, NULL, NULL);
    if (r >= 0)
        r = sd_event_set_watchdog(*ret, true);
    return r;
}

static int run(const struct options *o, struct config *config) {
    _cleanup_(sd_event_unrefp) sd_event *event = NULL;
    _cleanup_(manager_freep) struct manager *m = NULL;
    struct cvm_error e = {0};
    int listeners, r;

    r = config_load(config, &o->source, &e);
    if (r < 0) {
        log_error("%s", e.text[0] ? e.text : strerror(-r));
        return r;
    }
    if (o->check)
        return 0;
    r = setup_event(&event);
    if (r < 0) {
        log_error("The event loop cannot be set up: %s", strerror(-r));
        return r;
    }
    r = manager_new(config, event, &m, &e);
    if (r < 0) {
        log_error("%s", e.text);
        return r;
    }
    m->source = &o->source;
    r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, m);
    if (r < 0)
        return r;
    listeners = bus_listen(m);
    if (listeners < 0)
        return listeners;
    r = join_bus(m);
    if (r < 0) {
        log_error("The bus cannot be reached: %s%s", strerror(-r), listeners ? "; root is served on cvmd.socket" : "");
        if (!listeners)
            return r;
    }
    r = manager_start(m);
    if (r >= 0)
        r = m->bus ? bus_attach(m) : wait_for_bus(m);
    if (r < 0)
        return r;

    manager_tell_ready(m);
    r = sd_event_loop(event);
    if (r > 0) {
        log_error("The bus is gone");
        r = -ENOTCONN;
    }
    (void)sd_notify(false, "STOPPING=1");
    if (inbox_jobs(m->inbox)) {
        /* A thread waits for libvirt. The store says what it was doing; the next start goes on. */
        log_notice("Ended with %u operations under way", inbox_jobs(m->inbox));
        if (m->bus)
            sd_bus_flush(m->bus);
        store_close(TAKE_PTR(m->store));
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    return r;
}

int main(int argc, char **argv) {
    struct options o = {0};
    struct config config = {0};
    int r;

    r = parse_argv(argc, argv, &o);
    if (r <= 0)
        return r < 0 ? 2 : EXIT_SUCCESS;
    umask(0022);
    r = run(&o, &config);
    config_done(&config);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
