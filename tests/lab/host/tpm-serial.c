/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tpm-serial DEVICE: a TPM behind a serial line, for tpm2-tss: TCTI "cmd:tpm-serial /dev/ttyS1". Takes commands from
 * standard input and gives the answers on standard output. One user at a time: others wait for the lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#define HEADER 10u /* tag, size, code; big-endian */
#define LARGEST 4096u
#define ANSWER_MS 300000 /* the machine is emulated, and keys take long to make */

/* 1; 0: end of file before the first byte; -1. timeout: in ms, of each byte. */
static int receive(int fd, uint8_t *buf, size_t n, int timeout) {
    for (size_t got = 0; got < n;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t r;

        if (poll(&p, 1, timeout) == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        r = read(fd, buf + got, n - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            if (r == 0)
                errno = EPIPE;
            return r == 0 && got == 0 ? 0 : -1;
        }
        got += (size_t)r;
    }
    return 1;
}

static bool send_all(int fd, const uint8_t *buf, size_t n) {
    while (n > 0) {
        ssize_t w = write(fd, buf, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return false;
        buf += w;
        n -= (size_t)w;
    }
    return true;
}

/* A whole command or answer. Its size; 0: the end; -1. */
static int message(int fd, uint8_t *buf, int timeout) {
    int r = receive(fd, buf, HEADER, timeout);
    uint32_t n;

    if (r <= 0)
        return r;
    n = (uint32_t)buf[2] << 24 | (uint32_t)buf[3] << 16 | (uint32_t)buf[4] << 8 | buf[5];
    if (n < HEADER || n > LARGEST) {
        errno = EBADMSG;
        return -1;
    }
    if (n > HEADER && receive(fd, buf + HEADER, n - HEADER, timeout) != 1)
        return -1;
    return (int)n;
}

static int open_line(const char *path) {
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios t;

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX) < 0 || tcgetattr(fd, &t) < 0)
        goto fail;
    cfmakeraw(&t);
    cfsetspeed(&t, B115200);
    t.c_cflag |= CLOCAL | CREAD;
    t.c_cflag &= ~CRTSCTS;
    if (tcsetattr(fd, TCSANOW, &t) < 0 || tcflush(fd, TCIOFLUSH) < 0)
        goto fail;
    return fd;
fail:
    close(fd);
    return -1;
}

int main(int argc, char **argv) {
    uint8_t buf[LARGEST];
    int fd, n;

    if (argc != 2) {
        fprintf(stderr, "usage: tpm-serial DEVICE\n");
        return 2;
    }
    fd = open_line(argv[1]);
    if (fd < 0) {
        fprintf(stderr, "tpm-serial: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    while ((n = message(STDIN_FILENO, buf, -1)) > 0) {
        if (!send_all(fd, buf, (size_t)n))
            break;
        n = message(fd, buf, ANSWER_MS);
        if (n <= 0 || !send_all(STDOUT_FILENO, buf, (size_t)n))
            break;
    }
    if (n == 0)
        return 0;
    fprintf(stderr, "tpm-serial: %s\n", strerror(errno));
    return 1;
}
