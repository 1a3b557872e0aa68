/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the emulated host needs from the emulator, as one static program:
 *   labctl poweroff      ends the emulator (Bochs: "Shutdown" to port 0x8900)
 *   labctl tsc           prints the time-stamp counter; one tick is one instruction
 *   labctl say TEXT...   writes one line to the serial console, straight to ttyS0
 *   labctl ask VERB IN OUT   asks the tenant on the machine that runs the lab (cvmlab/courier.py), over the third serial
 *                        port: the contents of IN go there, the answer comes to OUT; exit status: the tenant's
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define BOCHS_SHUTDOWN_PORT 0x8900
#define UART_LSR 0x3fd
#define LSR_IDLE 0x40  /* transmitter and shift register empty */
#define LSR_READY 0x01 /* a byte came */
#define LSR_EMPTY 0x20 /* the transmitter takes the next byte */

#define COURIER 0x3e8 /* the third serial port; no driver of the kernel's opens it */
#define FILE_MAX (1u << 20)

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

/* --- the courier ------------------------------------------------------------------------ */

/* No interrupts and no FIFO: without one the emulator takes a byte from the socket only when the last was read. */
static void courier_open(void) {
    outb(0, COURIER + 1);
    outb(0, COURIER + 2);
    outb(0x80, COURIER + 3);
    outb(1, COURIER); /* 115200 */
    outb(0, COURIER + 1);
    outb(3, COURIER + 3); /* 8N1 */
    outb(3, COURIER + 4);
}

/* Waits for ever: how long the tenant takes is a matter of the other machine's clock. */
static void courier_wait(unsigned char bit) {
    const struct timespec pause = {.tv_nsec = 1000000};
    for (unsigned i = 0; !(inb(COURIER + 5) & bit); i++)
        if (i >= 20000)
            nanosleep(&pause, NULL);
}

static void courier_send(const void *data, size_t n) {
    for (const unsigned char *p = data; n; n--, p++) {
        courier_wait(LSR_EMPTY);
        outb(*p, COURIER);
    }
}

static unsigned char courier_byte(void) {
    courier_wait(LSR_READY);
    return inb(COURIER);
}

static int ask(const char *verb, const char *in, const char *out) {
    static unsigned char data[FILE_MAX];
    char line[128];
    size_t size, n = 0;
    int status;
    FILE *f = fopen(in, "rb");
    if (!f || (size = fread(data, 1, sizeof data, f)) == sizeof data || ferror(f)) {
        fprintf(stderr, "labctl: %s: %s\n", in, f ? "too large, or not to be read" : strerror(errno));
        return 255;
    }
    fclose(f);
    if (iopl(3) < 0) {
        fprintf(stderr, "labctl: no access to I/O ports: %s\n", strerror(errno));
        return 255;
    }
    courier_open();
    courier_send(line, (size_t)snprintf(line, sizeof line, "%.64s %zu\n", verb, size));
    courier_send(data, size);
    do
        line[n] = (char)courier_byte();
    while (line[n++] != '\n' && n < sizeof line - 1);
    line[n] = 0;
    if (sscanf(line, "%d %zu", &status, &size) != 2 || size > sizeof data) {
        fprintf(stderr, "labctl: the courier said '%s'\n", line);
        return 255;
    }
    for (n = 0; n < size; n++)
        data[n] = courier_byte();
    f = fopen(out, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
        fprintf(stderr, "labctl: %s: %s\n", out, strerror(errno));
        return 255;
    }
    return status;
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "ask"))
        return ask(argv[2], argv[3], argv[4]);
    if (argc == 2 && !strcmp(argv[1], "poweroff"))
        return poweroff();
    if (argc == 2 && !strcmp(argv[1], "tsc")) {
        printf("%llu\n", (unsigned long long)__rdtsc());
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "say"))
        return say(argc - 2, argv + 2);
    fprintf(stderr, "usage: labctl poweroff | tsc | say TEXT... | ask VERB IN OUT\n");
    return 2;
}
