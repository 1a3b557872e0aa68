/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives the guest agent: writes one line to a guest's serial terminal, waits in its log for the answer.
 * The log, not the terminal, is read: others may follow the terminal at the same time.
 *   guestask PTY LOG SECONDS LINE [PREFIX]
 *     LINE    what to send; - sends nothing
 *     PREFIX  how the answer begins (default: "GUEST: " and the first word of LINE)
 *   --followed  first of all: PTY may be a FIFO too, and somebody else reads it into LOG
 *   --from N    before the rest: looks in the log from byte N on, not from its end
 * Prints the answer. Exit status: 0 answered, 1 the answer says FAIL, 2 no answer in time or trouble.
 */
#include "attack.h"

#include <poll.h>
#include <sys/stat.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_line(int pty, const char *text) {
    char line[512];
    int n = snprintf(line, sizeof line, "%s\n", text);
    if (n >= (int)sizeof line)
        trouble(0, "line longer than %zu bytes", sizeof line);
    for (int done = 0; done < n;) {
        ssize_t r = write(pty, line + done, (size_t)(n - done));
        if (r < 0 && errno != EINTR && errno != EAGAIN)
            trouble(errno, "terminal");
        done += r > 0 ? (int)r : 0;
    }
}

int main(int argc, char **argv) {
    off_t from = -1;
    bool followed = argc > 1 && !strcmp(argv[1], "--followed");
    if (followed) {
        argv++;
        argc--;
    }
    if (argc > 2 && !strcmp(argv[1], "--from")) {
        from = (off_t)number(argv[2], argv[1]);
        argv += 2;
        argc -= 2;
    }
    if (argc != 5 && argc != 6)
        trouble(0, "usage: guestask [--followed] [--from N] PTY LOG SECONDS LINE [PREFIX]");
    char prefix[128];
    snprintf(prefix, sizeof prefix, "GUEST: %.*s", (int)strcspn(argv[4], " "), argv[4]);
    if (argc == 6)
        snprintf(prefix, sizeof prefix, "%s", argv[5]);
    double end = now() + (double)number(argv[3], "SECONDS");

    int log = open(argv[2], O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (log < 0 || fstat(log, &st) < 0)
        trouble(errno, "%s", argv[2]);
    if (lseek(log, from >= 0 ? from : st.st_size, SEEK_SET) < 0)
        trouble(errno, "%s", argv[2]);
    /* Kept open until the answer is there: QEMU looks only now and then whether somebody listens. */
    int pty = open(argv[1], (followed ? O_WRONLY : O_RDWR) | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (pty < 0)
        trouble(errno, "%s", argv[1]);
    if (strcmp(argv[4], "-"))
        send_line(pty, argv[4]);

    char line[1024];
    size_t length = 0;
    while (now() < end) {
        char c;
        ssize_t n = read(log, &c, 1);
        if (n <= 0) {
            char drained[512];
            while (!followed && read(pty, drained, sizeof drained) > 0)
                ; /* or the terminal's buffer fills and holds the guest up */
            poll(NULL, 0, 20);
            continue;
        }
        if (c == '\r')
            continue;
        if (c != '\n') {
            if (length < sizeof line - 1)
                line[length++] = c;
            continue;
        }
        line[length] = 0;
        length = 0;
        if (strncmp(line, prefix, strlen(prefix)))
            continue;
        printf("%s\n", line);
        return strstr(line, " FAIL") ? 1 : 0;
    }
    fprintf(stderr, "guestask: no line '%s...' within %s s\n", prefix, argv[3]);
    return TROUBLE;
}
