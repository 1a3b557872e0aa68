/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The CPU, judged by RootVisor's own list: hypervisor/start/features.c, compiled for user space. Its
 * MSRs come from the driver msr.
 */
#include "start/features.h"

#include "deploy.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* SDM vol. 4 */
enum {
    MSR_FEATURE_CONTROL = 0x3a,
    MSR_VMX_BASIC = 0x480,
    MSR_VMX_PROC2 = 0x48b,
    MSR_VMX_EPT_VPID = 0x48c,
    MSR_VMX_TRUE_PIN = 0x48d,
    MSR_VMX_TRUE_PROC = 0x48e,
    MSR_VMX_TRUE_EXIT = 0x48f,
    MSR_VMX_TRUE_ENTRY = 0x490,
};

static int read_msr(int fd, unsigned msr, u64 *ret) {
    ssize_t n = pread(fd, ret, sizeof(*ret), (off_t)msr);

    return n < 0 ? -errno : n == sizeof(*ret) ? 0 : -EIO;
}

/* As features_read() does it in RootVisor. */
static int read_vmx(struct cpu_raw *raw) {
    const struct {
        unsigned msr;
        u64 *to;
    } list[] = {{MSR_FEATURE_CONTROL, &raw->feature_control},
                {MSR_VMX_BASIC, &raw->vmx_basic},
                {MSR_VMX_TRUE_PIN, &raw->vmx_pin},
                {MSR_VMX_TRUE_PROC, &raw->vmx_proc},
                {MSR_VMX_TRUE_EXIT, &raw->vmx_exit},
                {MSR_VMX_TRUE_ENTRY, &raw->vmx_entry},
                {MSR_VMX_PROC2, &raw->vmx_proc2},
                {MSR_VMX_EPT_VPID, &raw->ept_vpid}};
    int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : 0;

    for (size_t i = 0; r == 0 && i < ELEMENTSOF(list); i++) {
        r = read_msr(fd, list[i].msr, list[i].to);
        if (r == -EIO && i > 1) { /* an MSR that this CPU has not: 0, and named as missing */
            *list[i].to = 0;
            r = 0;
        }
    }
    if (fd >= 0)
        close(fd);
    return r;
}

static void name_missing(struct check *c, const char *const *names, u32 n, u32 max) {
    size_t k = (size_t)snprintf(c->text, sizeof(c->text), "the CPU lacks ");

    for (u32 i = 0; i < n && i < max && k < sizeof(c->text); i++)
        k += (size_t)snprintf(c->text + k, sizeof(c->text) - k, "%s%s", i ? ", " : "", names[i]);
    if (n > max && k < sizeof(c->text))
        snprintf(c->text + k, sizeof(c->text) - k, " and %u more", n - max);
}

void check_cpu(struct check *c) {
    unsigned a, b, x, d, vendor[4] = {0};
    const char *names[6];
    struct cpu_raw raw = {0};
    u32 n;
    int r = 0;

    c->name = "CPU";
    __cpuid(0, a, vendor[0], vendor[2], vendor[1]);
    if (memcmp(vendor, "GenuineIntel", 12) != 0) {
        c->state = CHECK_BAD;
        snprintf(c->text, sizeof(c->text), "it is of %.12s: RootVisor runs on Intel CPUs only",
                 (const char *)vendor);
        return;
    }
    __cpuid(1, a, b, x, d);
    raw.leaf1_ecx = x;
    raw.leaf1_edx = d;
    if (__get_cpuid_count(7, 0, &a, &b, &x, &d))
        raw.leaf7_ebx = b;
    if (__get_cpuid(0x80000001, &a, &b, &x, &d))
        raw.ext1_edx = d;
    if (raw.leaf1_ecx & 1u << 5)
        r = read_vmx(&raw);
    if (r < 0) {
        c->state = CHECK_UNKNOWN;
        snprintf(c->text, sizeof(c->text),
                 "what its VT-x can do is not readable (%s): be root, and 'modprobe msr'", strerror(-r));
        return;
    }
    n = features_missing(&raw, names, ELEMENTSOF(names));
    c->state = n ? CHECK_BAD : CHECK_GOOD;
    if (n)
        name_missing(c, names, n, ELEMENTSOF(names));
    else
        snprintf(c->text, sizeof(c->text), "it has all that RootVisor needs");
}
