/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include "cvmctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_USEC 100000u
#define LINE_USEC 1000000u /* between two lines where there is no terminal */

static uint64_t now_usec(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void amount(uint64_t n, const char *unit, char *buf, size_t size) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)n;
    unsigned u = 0;

    if (strcmp(unit, "bytes") != 0) {
        snprintf(buf, size, "%" PRIu64, n);
        return;
    }
    while (u + 1 < ELEMENTSOF(units) && v >= 1024) {
        v /= 1024;
        u++;
    }
    snprintf(buf, size, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

void progress_text(uint64_t done, uint64_t total, const char *unit, char *buf, size_t size) {
    char d[24], t[24];
    bool bytes = strcmp(unit, "bytes") == 0;

    buf[0] = 0;
    if (!done && !total)
        return;
    amount(done, unit, d, sizeof(d));
    amount(total, unit, t, sizeof(t));
    snprintf(buf, size, "%s%s%s%s%s", d, total ? " of " : "", total ? t : "", bytes || !unit[0] ? "" : " ",
             bytes ? "" : unit);
}

int64_t progress_left(uint64_t done, uint64_t first, uint64_t total, uint64_t elapsed) {
    double pace;

    if (done <= first || total < done || elapsed < 500000u)
        return -1;
    pace = (double)(done - first) / (double)elapsed; /* per microsecond */
    return (int64_t)((double)(total - done) / pace / 1e6);
}

void progress_line(const char *title, uint64_t done, uint64_t total, const char *unit, int64_t left,
                   unsigned width, char *buf, size_t size) {
    char what[64], eta[48] = "", bar[41] = "";
    unsigned percent = 0, columns, full;
    int n;

    progress_text(done, total, unit, what, sizeof(what));
    if (total) {
        if (done > total)
            done = total;
        percent = (unsigned)((double)done * 100 / (double)total);
    }
    if (left >= 0)
        snprintf(eta, sizeof(eta), ", %" PRId64 ":%02d left", left / 60, (int)(left % 60));
    if (!total) {
        snprintf(buf, size, "%.*s", (int)width, what[0] ? what : title);
        return;
    }
    n = snprintf(NULL, 0, "%s [] %3u%% %s%s", title, percent, what, eta);
    columns = n > 0 && (unsigned)n + 8 <= width ? width - (unsigned)n : 0;
    if (columns > sizeof(bar) - 1)
        columns = sizeof(bar) - 1;
    full = columns * percent / 100;
    memset(bar, '=', full);
    memset(bar + full, ' ', columns - full);
    bar[columns] = 0;
    if (columns)
        snprintf(buf, size, "%s [%s] %3u%% %s%s", title, bar, percent, what, eta);
    else
        snprintf(buf, size, "%.*s %3u%%", width > 8 ? (int)width - 6 : 0, title, percent);
}

void progress_begin(struct progress *p, const char *title) {
    *p = (struct progress){
        .title = title, .tty = isatty(STDERR_FILENO), .silent = arg_quiet || arg_json, .begun = now_usec()};
}

static void draw(struct progress *p, uint64_t now, uint64_t done, uint64_t total, const char *unit) {
    struct winsize ws = {0};
    unsigned width = 80;
    char line[256];

    if (now - p->drawn_at < REDRAW_USEC)
        return;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col)
        width = ws.ws_col;
    if (width > sizeof(line))
        width = sizeof(line);
    progress_line(p->title, done, total, unit, progress_left(done, p->first, total, now - p->begun),
                  width - 1, line, sizeof(line));
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    p->drawn = true;
    p->drawn_at = now;
}

void progress_update(struct progress *p, uint64_t done, uint64_t total, const char *unit) {
    uint64_t now = now_usec();
    char what[64];
    unsigned tenth;

    if (p->silent || (!done && !total))
        return;
    if (!p->seen) {
        p->seen = true;
        p->first = done;
        p->begun = now;
    }
    if (p->tty) {
        draw(p, now, done, total, unit);
        return;
    }
    tenth = total ? (unsigned)((double)done * 10 / (double)total) : 0;
    /* What is done at once needs no lines. */
    if (tenth == p->tenth || now - p->begun < LINE_USEC || now - p->drawn_at < LINE_USEC)
        return;
    p->tenth = tenth;
    p->drawn_at = now;
    progress_text(done, total, unit, what, sizeof(what));
    fprintf(stderr, "cvmctl %s: %u%%, %s\n", p->title, tenth * 10, what);
}

void progress_end(struct progress *p) {
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}
