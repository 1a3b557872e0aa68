/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl events: the audit log as it grows. What was printed is known by its id, so a restart of cvmd, or a
 * broken connection, loses and repeats nothing.
 */
#include "event.h"

#include "member.h"
#include "output.h"
#include "transport.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_USEC 2000000u /* a signal comes earlier */
#define RETRY_USEC 500000u
#define PAGE 1000u

json_object *event_to_json(json_object *entry) {
    json_object *o = json_object_new_object();
    char time[TIME_MAX_SIZE];

    json_object_object_foreach(entry, key, v) {
        if (strcmp(key, "time") == 0)
            json_object_object_add(o, key,
                                   json_object_new_string(format_time(json_object_get_uint64(v), time)));
        else if (strcmp(key, "seq") == 0)
            json_object_object_add(o, key, json_object_get_uint64(v) ? json_object_get(v) : NULL);
        else if (json_object_is_type(v, json_type_string) && !json_object_get_string(v)[0])
            json_object_object_add(o, key, NULL);
        else
            json_object_object_add(o, key, json_object_get(v));
    }
    return o;
}

static const char *event_colour(const char *event) {
    static const char *const bad[] = {"vm-stopped", "failed", "denied"};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        if (strcmp(event, bad[i]) == 0)
            return "\033[31m";
    return strcmp(event, "launched") == 0 ? "\033[32m" : "";
}

static int print_event(json_object *e) {
    const char *paint = colour() ? event_colour(member_text(e, "event")) : "";
    char time[TIME_MAX_SIZE];

    if (arg_json) {
        _cleanup_json_ json_object *o = event_to_json(e);

        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    } else if (arg_quiet)
        printf("%" PRIu64 "\n", member_number(e, "id"));
    else
        printf("%s %-9s %-16s %s%s%s %s%s%s%s\n", format_time(member_number(e, "time"), time),
               member_text(e, "source"), member_text(e, "machine")[0] ? member_text(e, "machine") : "-",
               paint, member_text(e, "event"), paint[0] ? "\033[0m" : "", member_text(e, "message"),
               member_text(e, "who")[0] ? " (" : "", member_text(e, "who"),
               member_text(e, "who")[0] ? ")" : "");
    return fflush(stdout) == 0 ? 0 : -errno;
}

/* All entries behind *last. */
static int print_new(struct transport *t, const char *verb, const char *machine, uint64_t *last) {
    for (;;) {
        _cleanup_json_ json_object *all = NULL;
        size_t n;
        int r = t->ops->audit(t, verb, *last, machine, PAGE, &all);

        if (r != 0)
            return r;
        n = json_object_array_length(all);
        for (size_t i = 0; i < n; i++) {
            json_object *e = json_object_array_get_idx(all, i);

            if (print_event(e) < 0)
                return EXIT_FAILED; /* nobody reads any more */
            *last = member_number(e, "id");
        }
        if (n < PAGE)
            return 0;
    }
}

/* The id of the last entry there is: the largest behind which another is. */
static int find_last(struct transport *t, const char *verb, uint64_t *ret) {
    uint64_t low = 0, high = (uint64_t)INT64_MAX; /* an entry is behind low; none is behind high */

    for (bool first = true;; first = false) {
        _cleanup_json_ json_object *one = NULL;
        uint64_t middle = first ? 0 : low + (high - low) / 2;
        int r = t->ops->audit(t, verb, middle, "", 1, &one);

        if (r != 0)
            return r;
        if (json_object_array_length(one) == 0) {
            if (first) {
                *ret = 0;
                return 0;
            }
            high = middle;
        } else
            low = member_number(json_object_array_get_idx(one, 0), "id");
        if (low >= high) {
            *ret = high;
            return 0;
        }
    }
}

struct following {
    uint64_t *last;
    bool *told;
};

static int on_event(void *userdata, json_object *entry) {
    struct following *f = userdata;

    *f->told = false;
    if (print_event(entry) < 0)
        return -1; /* nobody reads any more */
    *f->last = member_number(entry, "id");
    return 0;
}

/* What is new, and then what comes. */
static int go_on(struct transport *t, const char *verb, const char *machine, uint64_t *last, bool *told) {
    int r;

    if (t->ops->follow)
        return t->ops->follow(t, verb, *last, machine, on_event, &(struct following){.last = last, .told = told});
    r = print_new(t, verb, machine, last);
    if (r != 0)
        return r;
    *told = false;
    silent_status = 0;
    return t->ops->wait(t, verb, WAIT_USEC);
}

/* Until it is interrupted, or nobody reads. A cvmd that is gone is waited for. */
static int follow(const char *verb, struct transport **t, const char *machine, uint64_t last) {
    const struct timespec pause = {.tv_nsec = RETRY_USEC * 1000};
    bool told = false;
    int r = (*t)->ops->wait(*t, verb, 0);

    for (;;) {
        while (r == 0)
            r = nobody_reads() ? EXIT_FAILED : go_on(*t, verb, machine, &last, &told);
        if (r != EXIT_NO_DAEMON)
            return r;
        if (!told && !arg_quiet)
            fputs("cvmctl events: waiting for cvmd to come back\n", stderr);
        told = true;
        silent_status = EXIT_NO_DAEMON;
        transport_close(*t);
        *t = NULL;
        do {
            if (nobody_reads())
                return EXIT_FAILED;
            nanosleep(&pause, NULL);
            r = transport_open(verb, t);
        } while (r == EXIT_NO_DAEMON);
        if (r == 0)
            r = (*t)->ops->wait(*t, verb, 0);
    }
}

enum { OPT_AFTER = OPTION_LONG };

static int verb_events(int argc, char **argv) {
    struct transport *t = NULL;
    const char *machine = "";
    uint64_t after = 0;
    bool following = false, given = false;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case 'f':
            following = true;
            break;
        case OPT_AFTER:
            given = true;
            if (parse_number(optarg, 0, INT64_MAX, &after) < 0)
                return usage_error(argv[0], "--after %s is no event id", optarg);
            break;
        }
    if (optind < argc)
        machine = argv[optind];
    r = transport_open(argv[0], &t);
    if (r != 0)
        return r;
    if (following && !given)
        r = find_last(t, argv[0], &after);
    if (r == 0)
        r = following ? follow(argv[0], &t, machine, after) : print_new(t, argv[0], machine, &after);
    transport_close(t);
    return r;
}

static const struct verb_option event_options[] = {
    {"follow", 'f', NULL, "go on with what happens from now on, until interrupted"},
    {"after", OPT_AFTER, "ID", "what happened behind the event with this id; with --follow, too"},
    {0},
};

const struct verb event_verbs[] = {
    {.name = "events",
     .arguments = "[MACHINE]",
     .summary = "print events as they happen",
     .run = verb_events,
     .text = "Prints the audit log a line an event; with --json an object a line. With --follow it waits for "
             "more, over\n"
             "restarts of cvmd, and misses none.",
     .options = {event_options},
     .remote = true},
    {0},
};
