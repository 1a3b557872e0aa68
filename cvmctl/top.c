/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl top: what machines cost now. On a terminal the table is drawn again and again; elsewhere, and with
 * --json, it is printed a number of times.
 */
#include "output.h"
#include "member.h"
#include "top.h"
#include "transport.h"

#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static json_object *find_machine(json_object *all, const char *uuid) {
    for (size_t i = 0; all && i < json_object_array_length(all); i++)
        if (strcmp(member_text(json_object_array_get_idx(all, i), "UUID"), uuid) == 0)
            return json_object_array_get_idx(all, i);
    return NULL;
}

/* Counters start anew with the machine. */
static double rate(json_object *before, json_object *now, const char *key, double seconds) {
    uint64_t a = member_number(before, key), b = member_number(now, key);

    return before && b >= a && seconds > 0 ? (double)(b - a) / seconds : 0;
}

json_object *top_compute(json_object *before, json_object *now, double seconds) {
    static const struct {
        const char *property, *key;
    } rates[] = {{"Exits", "exits_per_second"},
                 {"Reflected", "reflected_per_second"},
                 {"Upcalls", "upcalls_per_second"},
                 {"Sealed", "sealed_per_second"},
                 {"Unsealed", "unsealed_per_second"}};
    json_object *out = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(now); i++) {
        json_object *p = json_object_array_get_idx(now, i), *o = json_object_new_object();
        json_object *old = find_machine(before, member_text(p, "UUID"));

        json_object_object_add(o, "name", json_object_new_string(member_text(p, "Name")));
        json_object_object_add(o, "state", json_object_new_string(member_text(p, "State")));
        json_object_object_add(o, "protection_level",
                               json_object_new_string(member_text(p, "ProtectionLevel")));
        /* Nanoseconds a second, as percent of one CPU. */
        json_object_object_add(o, "cpu_percent",
                               json_object_new_double(rate(old, p, "CPUTime", seconds) / 1e7));
        json_object_object_add(o, "memory", json_object_new_uint64(member_number(p, "Memory")));
        json_object_object_add(o, "resident", json_object_new_uint64(member_number(p, "Resident")));
        json_object_object_add(o, "private", json_object_new_uint64(member_number(p, "Frames") * 4096u));
        json_object_object_add(o, "exits", json_object_new_uint64(member_number(p, "Exits")));
        for (size_t k = 0; k < ELEMENTSOF(rates); k++)
            json_object_object_add(o, rates[k].key,
                                   json_object_new_double(rate(old, p, rates[k].property, seconds)));
        json_object_array_add(out, o);
    }
    return out;
}

/* The busiest first. */
static int compare(const void *a, const void *b) {
    json_object *x = *(json_object *const *)a, *y = *(json_object *const *)b, *u = NULL, *v = NULL;
    double d;

    json_object_object_get_ex(x, "cpu_percent", &u);
    json_object_object_get_ex(y, "cpu_percent", &v);
    d = json_object_get_double(v) - json_object_get_double(u);
    if (d == 0) {
        json_object_object_get_ex(x, "exits_per_second", &u);
        json_object_object_get_ex(y, "exits_per_second", &v);
        d = json_object_get_double(v) - json_object_get_double(u);
    }
    return d > 0 ? 1 : d < 0 ? -1 : strcmp(member_text(x, "name"), member_text(y, "name"));
}

static int add_row(struct libscols_table *t, json_object *o) {
    static const char *const keys[] = {"cpu_percent", "exits_per_second", "reflected_per_second",
                                       "upcalls_per_second", "sealed_per_second"};
    char cell[5][24], memory[24], private[24];
    const char *cells[] = {member_text(o, "name"),
                           member_text(o, "state"),
                           cell[0],
                           memory,
                           private,
                           cell[1],
                           cell[2],
                           cell[3],
                           cell[4]};
    json_object *v = NULL;

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        json_object_object_get_ex(o, keys[i], &v);
        snprintf(cell[i], sizeof(cell[i]), i == 0 ? "%.1f" : "%.0f", json_object_get_double(v));
    }
    snprintf(memory, sizeof(memory), "%.0f M", (double)member_number(o, "memory") / (1 << 20));
    snprintf(private, sizeof(private), "%.0f M", (double)member_number(o, "private") / (1 << 20));
    return table_add(t, cells, ELEMENTSOF(cells), 1, state_colour(member_text(o, "state")));
}

static int print_table(json_object *list) {
    static const char *const columns[] = {"NAME",    "STATE",       "CPU%",      "MEMORY",   "PRIVATE",
                                          "EXITS/S", "REFLECTED/S", "UPCALLS/S", "SEALED/S", NULL};
    struct libscols_table *t = table_new(columns);

    if (!t)
        return fail("top", EXIT_FAILED, "out of memory");
    for (size_t i = 2; i < 9; i++)
        scols_column_set_flags(scols_table_get_column(t, i), SCOLS_FL_RIGHT);
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (add_row(t, json_object_array_get_idx(list, i)) < 0)
            return fail("top", EXIT_FAILED, "out of memory");
    return table_print(t);
}

static volatile sig_atomic_t stop;

static void on_signal(int sig) {
    (void)sig;
    stop = 1;
}

static double now_seconds(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Waits, and looks for a q typed on a terminal. */
static void pause_for(double seconds, bool keys) {
    struct pollfd p = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
    char c;

    if (poll(&p, 1, (int)(seconds * 1000)) > 0 && (read(STDIN_FILENO, &c, 1) <= 0 || c == 'q'))
        stop = 1;
}

static int draw(json_object *list, size_t machines, double seconds, bool full) {
    if (full) /* home, and clear below */
        printf("\033[H\033[Jcvmctl top: %zu machines, every %.1f s; q ends\n\n", machines, seconds);
    for (size_t i = 0; arg_quiet && !arg_json && i < json_object_array_length(list); i++)
        puts(member_text(json_object_array_get_idx(list, i), "name"));
    return arg_json                         ? print_json(list)
           : arg_quiet                      ? EXIT_OK
           : json_object_array_length(list) ? print_table(list)
                                            : (say("No machines.\n"), 0);
}

static int loop(struct transport *t, uint64_t times, double delay, bool full) {
    _cleanup_json_ json_object *before = NULL;
    double then = 0;
    int r;

    for (uint64_t i = 0; !stop && (!times || i <= times); i++) {
        _cleanup_json_ json_object *now = NULL, *list = NULL;
        double at = now_seconds();

        r = t->ops->list(t, "top", OBJECT_MACHINE, &now);
        if (r != 0)
            return r;
        if (before) {
            list = top_compute(before, now, at - then);
            json_object_array_sort(list, compare);
            r = draw(list, json_object_array_length(now), delay, full);
            if (r != 0 || fflush(stdout) != 0)
                return r ?: EXIT_FAILED;
        }
        json_object_put(before);
        before = json_object_get(now);
        then = at;
        if (!times || i < times)
            pause_for(i == 0 && delay > 0.5 ? 0.5 : delay, full);
    }
    return EXIT_OK;
}

enum { OPT_DELAY = 'd', OPT_TIMES = 'n' };

static int verb_top(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    struct termios old, raw;
    uint64_t times = 0, delay = 2;
    bool full;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_DELAY:
            if (parse_number(optarg, 1, 3600, &delay) < 0)
                return usage_error(argv[0], "--delay %s is no number of seconds", optarg);
            break;
        case OPT_TIMES:
            if (parse_number(optarg, 1, UINT32_MAX, &times) < 0)
                return usage_error(argv[0], "--iterations %s is no number from 1 on", optarg);
            break;
        }
    full = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !arg_json && !times;
    if (!full && !times)
        times = 1;
    r = transport_open(argv[0], &t);
    if (r != 0)
        return r;
    if (!full)
        return loop(t, times, (double)delay, false);
    if (tcgetattr(STDIN_FILENO, &old) < 0)
        return fail(argv[0], EXIT_FAILED, "the terminal cannot be set");
    raw = old;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l", stdout); /* the other screen, no cursor */
    r = loop(t, 0, (double)delay, true);
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &old);
    return r;
}

static const struct verb_option top_options[] = {
    {"delay", OPT_DELAY, "SECONDS", "between two looks, 2 if not given"},
    {"iterations", OPT_TIMES, "N", "print N times and end; once if the output is no terminal"},
    {0},
};

const struct verb top_verbs[] = {
    {.name = "top",
     .arguments = "",
     .summary = "watch what machines cost",
     .run = verb_top,
     .text = "CPU in percent of one CPU, memory, and RootVisor's counters a second: exits, exits that KVM "
             "saw, upcalls of\n"
             "the Guardian, pages sealed.",
     .options = {top_options},
     .remote = true},
    {0},
};
