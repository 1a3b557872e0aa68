/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the emulated host needs from the emulator, as one static program:
 *   labctl poweroff      ends the emulator (Bochs: "Shutdown" to port 0x8900)
 *   labctl tsc           prints the time-stamp counter; one tick is one instruction
 *   labctl say TEXT...   writes one line to the serial console, straight to ttyS0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

#define BOCHS_SHUTDOWN_PORT 0x8900
#define UART_LSR 0x3fd
#define LSR_IDLE 0x40 /* transmitter and shift register empty */

static int poweroff(void) {
    /* The kernel's buffer first, then the UART's own FIFO: bytes in it would be lost. */
    int fd = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
    if (fd >= 0) {
        tcdrain(fd);
        close(fd);
    }
    if (iopl(3) < 0) {
        fprintf(stderr, "labctl: no access to I/O ports: %s\n", strerror(errno));
        return 1;
    }
    for (int i = 0; i < 1000000 && !(inb(UART_LSR) & LSR_IDLE); i++)
        ;
    for (const char *p = "Shutdown"; *p; p++)
        outb((unsigned char)*p, BOCHS_SHUTDOWN_PORT);
    fprintf(stderr, "labctl: the machine did not end: not Bochs?\n");
    return 1;
}

static int say(int argc, char **argv) {
    char line[4096];
    size_t n = 0;
    for (int i = 0; i < argc; i++)
        n += (size_t)snprintf(line + n, n < sizeof line ? sizeof line - n : 0, "%s%s", i ? " " : "", argv[i]);
    if (n >= sizeof line - 2) {
        fprintf(stderr, "labctl: line longer than %zu bytes\n", sizeof line - 2);
        return 1;
    }
    line[n++] = '\n';
    int fd = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
    if (fd < 0 || write(fd, line, n) != (ssize_t)n) {
        fprintf(stderr, "labctl: /dev/ttyS0: %s\n", strerror(errno));
        return 1;
    }
    tcdrain(fd);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "poweroff"))
        return poweroff();
    if (argc == 2 && !strcmp(argv[1], "tsc")) {
        printf("%llu\n", (unsigned long long)__rdtsc());
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "say"))
        return say(argc - 2, argv + 2);
    fprintf(stderr, "usage: labctl poweroff | tsc | say TEXT...\n");
    return 2;
}
