/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl console: by hand on a terminal, or by script: what was printed since boot comes from the log file
 * that QEMU writes, input goes to the console's socket.
 */
#include "console-follow.h"

#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ESCAPE 0x1d /* Ctrl-] */
#define LOG_MAX (64u << 20)
#define DEFAULT_TAIL_SEC 2u

struct console_options {
    const char *name, *send, *until;
    uint64_t timeout; /* seconds, 0: none */
    bool log, since_boot, follow;
};

enum { OPT_LOG = OPTION_LONG, OPT_SINCE_BOOT, OPT_FOLLOW, OPT_UNTIL, OPT_SEND, OPT_TIMEOUT };

const struct verb_option console_options[] = {
    {"log", OPT_LOG, NULL, "print what the console printed since boot, and end"},
    {"since-boot", OPT_SINCE_BOOT, NULL, "print that first, then connect"},
    {"follow", OPT_FOLLOW, NULL, "print that, and what comes, until the machine ends"},
    {"follow-until", OPT_UNTIL, "REGEX", "until a line matches the extended regular expression"},
    {"send", OPT_SEND, "LINE",
     "send LINE and a carriage return; with --follow or\n--follow-until only what comes behind it counts"},
    {"timeout", OPT_TIMEOUT, "SECONDS",
     "give up after this time, status 1; if standard input is no\nterminal, the time to print behind its "
     "end, 2 if not given"},
    {0},
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct console_options *o) {
    int c;

    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_LOG:
            o->log = true;
            break;
        case OPT_SINCE_BOOT:
            o->since_boot = true;
            break;
        case OPT_FOLLOW:
            o->follow = true;
            break;
        case OPT_UNTIL:
            o->until = optarg;
            break;
        case OPT_SEND:
            o->send = optarg;
            break;
        case OPT_TIMEOUT:
            if (parse_number(optarg, 1, 1000000, &o->timeout) < 0)
                return usage_error(argv[0], "--timeout %s is no number of seconds", optarg);
            break;
        }
    if (o->log && (o->since_boot || o->follow || o->until || o->send))
        return usage_error(argv[0], "--log goes with no other mode");
    if (arg_json && !o->log)
        return usage_error(argv[0], "a console is a stream of bytes: --json is for --log");
    o->name = argv[optind];
    return -1;
}

/* The whole of it as a string. What is no UTF-8 is told by '?', what is no text by JSON's escapes. */
static int print_log_json(const char *name, int log) {
    _cleanup_free_ char *text = NULL;
    struct cvm_error e = {""};
    char path[32];
    size_t size = 0;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", log);
    if (cvm_read_file(path, LOG_MAX, (void **)&text, &size, &e) < 0)
        return fail("console", EXIT_FAILED, "the log cannot be read: %s", e.text);
    for (size_t i = 0, n; i < size; i += n ?: 1) {
        n = text[i] ? cvm_utf8_size((const uint8_t *)text + i) : 0;
        if (!n)
            text[i] = '?';
    }
    return done(members("machine", name, "log", text, NULL), "%s", "");
}

static int print_log(int log) {
    char buf[65536];
    ssize_t n;

    while ((n = read(log, buf, sizeof(buf))) > 0)
        if (cvm_write_all(STDOUT_FILENO, buf, (size_t)n) < 0)
            return EXIT_FAILED;
    return n < 0 ? fail("console", EXIT_FAILED, "the log cannot be read: %s", strerror(errno)) : EXIT_OK;
}

static int send_line(int console, const char *line) {
    int r = cvm_write_all(console, line, strlen(line));

    if (r >= 0)
        r = cvm_write_all(console, "\r", 1);
    return r < 0 ? fail("console", EXIT_FAILED, "the console takes no input: %s", strerror(-r)) : 0;
}

static uint64_t now_msec(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/*
 * Between two descriptors and the console until the escape, the end of the console, or @tail_msec behind the
 * end of the input. @escape: honour Ctrl-].
 */
static int relay(int console, bool escape, uint64_t tail_msec) {
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = console, .events = POLLIN}};
    uint64_t end = 0;
    char buf[4096];

    for (;;) {
        uint64_t now = now_msec();
        ssize_t n;

        if (end && now >= end)
            return EXIT_OK;
        if (poll(p, 2, end ? (int)(end - now) : -1) < 0) {
            if (errno == EINTR)
                continue;
            return fail("console", EXIT_FAILED, "%s", strerror(errno));
        }
        if (p[1].revents) {
            n = read(console, buf, sizeof(buf));
            if (n <= 0)
                return EXIT_OK;
            if (cvm_write_all(STDOUT_FILENO, buf, (size_t)n) < 0)
                return EXIT_FAILED;
        }
        if (p[0].fd >= 0 && p[0].revents) {
            n = read(STDIN_FILENO, buf, sizeof(buf));
            if (n <= 0) {
                p[0].fd = -1;
                end = now_msec() + tail_msec;
            } else {
                char *stop = escape ? memchr(buf, ESCAPE, (size_t)n) : NULL;

                /* A terminal in raw mode sends CR; a script's lines end in LF. */
                for (ssize_t i = 0; !escape && i < n; i++)
                    if (buf[i] == '\n')
                        buf[i] = '\r';
                if (cvm_write_all(console, buf, stop ? (size_t)(stop - buf) : (size_t)n) < 0 || stop)
                    return EXIT_OK;
            }
        }
    }
}

static int interactive(int console, const char *name) {
    struct termios old, raw;
    int r;

    if (tcgetattr(STDIN_FILENO, &old) < 0)
        return fail("console", EXIT_FAILED, "the terminal cannot be set: %s", strerror(errno));
    fprintf(stderr, "Connected to '%s'; Ctrl-] ends the connection.\r\n", name);
    raw = old;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    r = relay(console, true, 0);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &old);
    fputs("\nConnection ended.\n", stderr);
    return r;
}

static int machine_active(void *userdata) {
    const struct console_machine *m = userdata;
    _cleanup_json_ json_object *p = NULL;
    json_object *state = NULL;
    const char *s;
    int r;

    r = m->transport->ops->get(m->transport, "console", OBJECT_MACHINE, m->name, &p);
    if (r != 0)
        return -r; /* told already */
    json_object_object_get_ex(p, "State", &state);
    s = json_object_get_string(state) ?: "";
    if (strcmp(s, "stopped") != 0 && strcmp(s, "failed") != 0)
        return 1;
    m->transport->ops->settle(m->transport);
    return 0;
}

static int follow(struct transport *t, const struct console_options *o) {
    struct console_machine machine = {.transport = t, .name = o->name};
    int log = -1, console = -1, r;
    off_t start = 0;

    r = t->ops->open_log(t, "console", o->name, o->follow || o->until, &log);
    if (r == 0 && o->send) {
        start = lseek(log, 0, SEEK_END);
        r = t->ops->open_console(t, "console", o->name, &console);
        if (r == 0)
            r = send_line(console, o->send);
    }
    if (r == 0 && (o->follow || o->until))
        r = console_follow(log, start, o->until, o->timeout * 1000u, machine_active, &machine);
    if (log >= 0)
        close(log);
    if (console >= 0)
        close(console);
    return r;
}

int verb_console(int argc, char **argv) {
    struct console_options o = {0};
    _cleanup_transport_ struct transport *t = NULL;
    int log = -1, console = -1, r;

    r = parse_options(argc, argv, &o);
    if (r >= 0)
        return r;
    r = transport_open(argv[0], &t);
    if (r != 0)
        return r;
    if (o.send || o.follow || o.until)
        return follow(t, &o);
    if (o.log || o.since_boot) {
        r = t->ops->open_log(t, "console", o.name, false, &log);
        if (r == 0)
            r = arg_json ? print_log_json(o.name, log) : print_log(log);
        if (log >= 0)
            close(log);
    }
    if (r != 0 || o.log)
        return r;
    r = t->ops->open_console(t, "console", o.name, &console);
    if (r != 0)
        return r;
    r = isatty(STDIN_FILENO) ? interactive(console, o.name)
                             : relay(console, false, (o.timeout ?: DEFAULT_TAIL_SEC) * 1000u);
    close(console);
    return r;
}
