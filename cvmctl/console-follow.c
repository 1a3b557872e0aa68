/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console-follow.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MSEC 100u
#define ACTIVE_EVERY 10u /* polls between two questions whether the machine runs */
#define LINE_MAX_SIZE 65536u

struct line {
    char text[LINE_MAX_SIZE];
    size_t n;
};

/* Takes bytes into the line, looks at each finished line and the rest. */
static bool take(struct line *l, const char *p, size_t n, const regex_t *re) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' || l->n == sizeof(l->text) - 1) {
            l->text[l->n] = 0;
            l->n = 0;
            if (re && regexec(re, l->text, 0, NULL, 0) == 0)
                return true;
        }
        if (p[i] != '\n' && p[i] != '\r' && p[i] != 0)
            l->text[l->n++] = p[i];
    }
    l->text[l->n] = 0;
    return re && l->n && regexec(re, l->text, 0, NULL, 0) == 0;
}

static int follow(int log, off_t offset, const regex_t *re, uint64_t timeout, int (*active)(void *userdata),
                  void *userdata) {
    static struct line line;
    const struct timespec pause = {.tv_nsec = POLL_MSEC * 1000000};
    uint64_t waited = 0;
    bool last = false;
    char buf[16384];

    for (unsigned polls = 1;; polls++) {
        ssize_t n;

        while ((n = pread(log, buf, sizeof(buf), offset)) > 0) {
            offset += n;
            if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n || fflush(stdout) != 0)
                return fail("console", EXIT_FAILED, "standard output cannot be written");
            if (take(&line, buf, (size_t)n, re))
                return EXIT_OK;
        }
        if (n < 0)
            return fail("console", EXIT_FAILED, "the log cannot be read: %s", strerror(errno));
        if (last)
            return re ? fail("console", EXIT_FAILED, "the machine ended before a line matched") : EXIT_OK;
        if (timeout && waited >= timeout)
            return fail("console", EXIT_FAILED,
                        re ? "no line matched within %u s" : "the machine still runs after %u s",
                        (unsigned)(timeout / 1000));
        if (polls % ACTIVE_EVERY == 0) {
            int r = active(userdata);

            if (r < 0)
                return -r;
            last = r == 0; /* one more reading: it may have printed before it ended */
            continue;
        }
        nanosleep(&pause, NULL);
        waited += POLL_MSEC;
    }
}

int console_follow(int log, off_t start, const char *until, uint64_t timeout, int (*active)(void *userdata),
                   void *userdata) {
    char text[128];
    regex_t re;
    int r;

    if (!until)
        return follow(log, start, NULL, timeout, active, userdata);
    r = regcomp(&re, until, REG_EXTENDED | REG_NOSUB);
    if (r != 0) {
        regerror(r, &re, text, sizeof(text));
        return fail("console", EXIT_USAGE, "'%s' is no regular expression: %s", until, text);
    }
    r = follow(log, start, &re, timeout, active, userdata);
    regfree(&re);
    return r;
}
