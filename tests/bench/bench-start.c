/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of cvmd that is connected, as a shell of virsh is: for each line with a machine's name on standard input, starts
 * it and prints how many microseconds later it has heard that the operation is done. Argument: the address of the bus.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "util.h"

struct wait {
    const char *path; /* of the operation */
    const char *state;
    char text[16];
};

static void need(int r, const char *what) {
    if (r >= 0)
        return;
    fprintf(stderr, "bench-start: %s: %s\n", what, strerror(-r));
    exit(1);
}

/* PropertiesChanged of org.cvmd1.Operation. */
static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    struct wait *w = userdata;
    const char *interface, *name, *state;

    (void)error;
    if (!w->path || strcmp(sd_bus_message_get_path(m), w->path) != 0)
        return 0;
    need(sd_bus_message_read(m, "s", &interface), "signal");
    need(sd_bus_message_enter_container(m, 'a', "{sv}"), "signal");
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        need(sd_bus_message_read(m, "s", &name), "signal");
        if (strcmp(name, "State") == 0) {
            need(sd_bus_message_read(m, "v", "s", &state), "State");
            snprintf(w->text, sizeof(w->text), "%s", state);
            w->state = w->text;
        } else
            need(sd_bus_message_skip(m, "v"), "signal");
        need(sd_bus_message_exit_container(m), "signal");
    }
    return 0;
}

static bool under_way(const struct wait *w) {
    return !w->state || strcmp(w->state, "pending") == 0 || strcmp(w->state, "running") == 0;
}

int main(int argc, char **argv) {
    sd_bus *bus = NULL;
    struct wait w = {0};
    char line[256];

    if (argc != 2)
        return 2;
    need(sd_bus_new(&bus), "bus");
    need(sd_bus_set_address(bus, argv[1]), "bus");
    need(sd_bus_set_bus_client(bus, true), "bus");
    need(sd_bus_start(bus), "bus");
    need(sd_bus_add_match(bus, NULL,
                          "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                          "arg0='org.cvmd1.Operation'",
                          on_changed, &w),
         "match");
    while (fgets(line, sizeof(line), stdin)) {
        sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        uint64_t begin = now_usec(CLOCK_MONOTONIC);

        line[strcspn(line, "\n")] = 0;
        w.state = w.path = NULL;
        if (sd_bus_call_method(bus, "org.cvmd1", "/org/cvmd1", "org.cvmd1.Manager", "Start", &e, &reply, "s", line) < 0) {
            fprintf(stderr, "bench-start: Start: %s\n", e.message);
            return 1;
        }
        need(sd_bus_message_read(reply, "o", &w.path), "Start");
        while (under_way(&w)) {
            int r = sd_bus_process(bus, NULL);

            need(r, "bus");
            if (r == 0)
                need(sd_bus_wait(bus, UINT64_MAX), "bus");
        }
        if (strcmp(w.state, "done") != 0) {
            fprintf(stderr, "bench-start: %s: %s\n", w.path, w.state);
            return 1;
        }
        printf("%llu\n", (unsigned long long)(now_usec(CLOCK_MONOTONIC) - begin));
        fflush(stdout);
        sd_bus_message_unref(reply);
    }
    sd_bus_flush_close_unref(bus);
    return 0;
}
