/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One command to QEMU's human monitor on a UNIX socket, and its answer.
 *   monitor SOCKET COMMAND...
 * Exit status: 0 answered, 2 trouble.
 */
#include "attack.h"

#include <sys/socket.h>
#include <sys/un.h>

#define PROMPT "(qemu) "

static char text[1 << 18];
static size_t length;

/* Reads up to the prompt behind `from`. */
static void until_prompt(int fd, size_t from) {
    for (;;) {
        text[length] = 0;
        if (strstr(text + from, PROMPT))
            return;
        if (length == sizeof text - 1)
            trouble(0, "the monitor's answer is longer than %zu bytes", sizeof text);
        ssize_t n = read(fd, text + length, sizeof text - 1 - length);
        if (n <= 0)
            trouble(n ? errno : 0, "the monitor closed its socket");
        length += (size_t)n;
    }
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc < 3 || strlen(argv[1]) >= sizeof address.sun_path)
        trouble(0, "usage: monitor SOCKET COMMAND...");
    strcpy(address.sun_path, argv[1]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        trouble(errno, "%s", argv[1]);
    until_prompt(fd, 0);
    size_t start = length;
    for (int i = 2; i < argc; i++)
        if (dprintf(fd, "%s%s", i > 2 ? " " : "", argv[i]) < 0)
            trouble(errno, "%s", argv[1]);
    dprintf(fd, "\n");
    until_prompt(fd, start);
    /* The first line is the echo of the command with the line editor's escapes. */
    char *answer = strchr(text + start, '\n');
    char *end = strstr(text + start, PROMPT);
    if (answer && answer < end)
        printf("%.*s", (int)(end - answer - 1), answer + 1);
    return 0;
}
