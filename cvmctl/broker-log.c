/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl broker log: a broker's log, checked and shown, and as it grows: this is how a tenant hears of a lease that ran out.
 */
#include "broker-log.h"

#include "cvmctl.h"
#include "output.h"

#include "attest/broker-log-read.h"
#include "attest/key.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOOK_AGAIN_MSEC 2000 /* where no notification comes: network file systems */

CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

enum { OPT_KEY = OPTION_LONG, OPT_AFTER };

const struct verb_option broker_log_options[] = {
    {"key", OPT_KEY, "FILE", "public key that signed the log (default: the store's)"},
    {"after", OPT_AFTER, "SEQ", "only events behind this one; all are checked"},
    {"follow", 'f', NULL, "go on with what happens from now on (or behind --after), until interrupted"},
    {0},
};

const struct verb_status broker_log_statuses[] = {
    {EXIT_OK, "every signature and the chain hold"},
    {EXIT_FAILED, "failure; one line on standard error says what is wrong"},
    {EXIT_USAGE, "usage"},
    {EXIT_REFUSED, "a signature or the chain does not hold"},
    {-1},
};

static void show_event(json_object *event) {
    static const char *const shown[] = {"seq", "time", "event", "resource", "code", "detail"};

    if (arg_json) {
        puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        return;
    }
    for (size_t i = 0; i < (arg_quiet ? 1 : ELEMENTSOF(shown)); i++) {
        json_object *v;

        if (json_object_object_get_ex(event, shown[i], &v))
            printf("%s%s", i ? "  " : "", json_object_get_string(v));
    }
    putchar('\n');
}

/* All whole lines that are there; those behind @after are shown. */
static int read_on(struct cvm_broker_log_reader *l, uint64_t after, struct cvm_error *e) {
    for (;;) {
        _cleanup_json_ json_object *o = NULL;
        int r = cvm_broker_log_next(l, &o, e);

        if (r <= 0)
            return r;
        if (l->next - 1 > after)
            show_event(o);
    }
}

/* Until something does not hold, or nobody reads. */
static int follow(struct cvm_broker_log_reader *l, uint64_t after, struct cvm_error *e) {
    struct pollfd p = {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN};
    char events[4096];
    int r;

    /* Watched first, then read: what comes in between is notified. */
    if (p.fd >= 0)
        inotify_add_watch(p.fd, l->path, IN_MODIFY);
    for (;;) {
        r = read_on(l, after, e);
        if (r < 0)
            break;
        if (fflush(stdout) != 0) {
            r = cvm_error_set(e, -EPIPE, "nobody reads any more");
            break;
        }
        poll(&p, p.fd >= 0, LOOK_AGAIN_MSEC);
        while (p.fd >= 0 && read(p.fd, events, sizeof(events)) > 0)
            ;
    }
    if (p.fd >= 0)
        close(p.fd);
    return r;
}

static int load_key(const char *directory, const char *key_file, uint8_t *point, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    char path[PATH_MAX];
    int r;

    if (key_file)
        return cvm_key_load_public(key_file, point, e);
    snprintf(path, sizeof(path), "%s/sign.key", directory);
    r = cvm_key_load_private(path, &key, e);
    return r < 0 ? r : cvm_key_to_point(key, point);
}

struct shown {
    uint64_t left_out; /* so many events at the beginning */
    json_object *list; /* where the others are put; NULL: they are shown */
};

static void show_one(void *data, json_object *event) {
    struct shown *s = data;

    if (s->left_out)
        s->left_out--;
    else if (s->list)
        json_object_array_add(s->list, json_object_get(event));
    else
        show_event(event);
}

/* The log as it is. */
static int show_all(const char *path, const uint8_t *point, uint64_t after, json_object *list, struct cvm_error *e) {
    struct shown shown = {after, list};
    uint64_t next = 0;
    uint8_t head[32];
    int r;

    r = cvm_broker_log_verify(path, point, show_one, &shown, &next, head, e);
    if (r < 0)
        return r;
    if (list)
        return print_json(list);
    say("%llu events, every signature and the chain hold.\n", (unsigned long long)(next - 1));
    return EXIT_OK;
}

/* What comes. */
static int show_following(const char *path, const uint8_t *point, uint64_t after, bool given, struct cvm_error *e) {
    struct cvm_broker_log_reader l;
    int r;

    r = cvm_broker_log_open(path, point, &l, e);
    if (r == 0 && !given)
        r = read_on(&l, UINT64_MAX, e);
    if (r == 0)
        r = follow(&l, after, e);
    cvm_broker_log_close(&l);
    return r;
}

int broker_log(int argc, char **argv) {
    _cleanup_json_ json_object *list = NULL;
    const char *key_file = NULL;
    bool following = false, given = false;
    struct cvm_error e = {""};
    char path[PATH_MAX];
    uint64_t after = 0;
    uint8_t point[65];
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_KEY:
            key_file = optarg;
            break;
        case OPT_AFTER:
            given = true;
            if (parse_number(optarg, 0, INT64_MAX, &after) < 0)
                return usage_error(argv[0], "--after %s is no event's number", optarg);
            break;
        case 'f':
            following = true;
            break;
        }
    list = arg_json && !following ? json_object_new_array() : NULL;
    snprintf(path, sizeof(path), "%s/log.jws", argv[optind]);
    r = load_key(argv[optind], key_file, point, &e);
    if (r == 0)
        r = following ? show_following(path, point, after, given, &e) : show_all(path, point, after, list, &e);
    return r < 0 ? fail(argv[0], r == -EBADMSG ? EXIT_REFUSED : EXIT_FAILED, "%s", e.text) : r;
}
