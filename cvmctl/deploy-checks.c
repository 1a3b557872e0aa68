/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in the way of RootVisor on this host, said plainly.
 */
#include "deploy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Below it Linux itself has little left: RootVisor keeps about a sixtieth for its tables. */
#define MEMORY_MIN (2ull << 30)
#define BOOT_SPACE_MIN (16ull << 20)

static void set(struct check *c, enum check_state state, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void set(struct check *c, enum check_state state, const char *fmt, ...) {
    va_list ap;

    c->state = state;
    va_start(ap, fmt);
    vsnprintf(c->text, sizeof(c->text), fmt, ap);
    va_end(ap);
}

static bool exists(const char *root, const char *path) {
    char p[PATH_MAX];

    return path_below(root, path, p, NULL) == 0 && access(p, F_OK) == 0;
}

/* The first entry of a directory, false if there is none. */
static bool has_entries(const char *root, const char *path) {
    char p[PATH_MAX];
    struct dirent *de;
    bool found = false;
    DIR *d;

    d = path_below(root, path, p, NULL) == 0 ? opendir(p) : NULL;
    while (d && !found && (de = readdir(d)))
        found = de->d_name[0] != '.';
    if (d)
        closedir(d);
    return found;
}

static void check_memory(const char *root, struct check *c) {
    _cleanup_free_ void *text = NULL;
    uint64_t kib = 0;
    char p[PATH_MAX];
    size_t size;

    c->name = "memory";
    if (path_below(root, "/proc/meminfo", p, NULL) < 0 || cvm_read_file(p, 1 << 16, &text, &size, NULL) < 0 ||
        sscanf(text, "MemTotal: %" SCNu64, &kib) != 1)
        set(c, CHECK_UNKNOWN, "its size is not readable");
    else if (kib * 1024 < MEMORY_MIN)
        set(c, CHECK_BAD, "%" PRIu64 " MiB: less than %llu MiB leave nothing for protected machines",
            kib >> 10, MEMORY_MIN >> 20);
    else
        set(c, CHECK_GOOD, "%" PRIu64 " MiB", kib >> 10);
}

static void check_boot(const char *root, struct check *c) {
    c->name = "boot mode";
    if (!exists(root, "/sys/firmware"))
        set(c, CHECK_UNKNOWN, "not readable");
    else if (exists(root, "/sys/firmware/efi"))
        set(c, CHECK_BAD,
            "UEFI: RootVisor was never tried with protection there, and Linux comes up without the firmware's runtime "
            "services and screen; switch the firmware to BIOS (CSM), or try it with --force and a serial console");
    else
        set(c, CHECK_GOOD, "BIOS");
}

static void check_secure_boot(const char *root, struct check *c) {
    static const char variable[] =
        "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    _cleanup_free_ uint8_t *value = NULL;
    char p[PATH_MAX];
    size_t size = 0;

    c->name = "Secure Boot";
    if (!exists(root, "/sys/firmware/efi"))
        set(c, CHECK_GOOD, "off: the host boots in BIOS mode");
    else if (!has_entries(root, "/sys/firmware/efi/efivars"))
        set(c, CHECK_UNKNOWN, "not readable: mount efivarfs on /sys/firmware/efi/efivars");
    else if (path_below(root, variable, p, NULL) < 0 ||
             cvm_read_file(p, 16, (void **)&value, &size, NULL) < 0)
        set(c, CHECK_GOOD, "the firmware has none");
    else if (size == 5 && value[4] == 1) /* four bytes of attributes, then the value */
        set(c, CHECK_BAD,
            "on: GRUB then loads signed kernels only, and RootVisor is none; turn it off in the firmware");
    else
        set(c, CHECK_GOOD, "off");
}

static void check_tpm(const char *root, struct check *c) {
    c->name = "TPM";
    if (has_entries(root, "/sys/class/tpm"))
        set(c, CHECK_GOOD, "there is one");
    else
        set(c, CHECK_WARNING,
            "none: reports work, and nothing proves to a tenant that a genuine RootVisor made them");
}

static void check_iommu(const char *root, struct check *c) {
    c->name = "IOMMU";
    if (exists(root, "/sys/firmware/acpi/tables/DMAR") || has_entries(root, "/sys/class/iommu"))
        set(c, CHECK_WARNING,
            "VT-d is there; RootVisor does not use it yet: a device that the host controls can read memory "
            "by DMA");
    else
        set(c, CHECK_WARNING, "no VT-d: a device that the host controls can read memory by DMA");
}

static void check_grub(const char *root, struct check *c) {
    bool efi = exists(root, "/sys/firmware/efi");
    const char *package = efi ? "grub-efi-amd64" : "grub-pc";

    c->name = "GRUB";
    if (!exists(root, "/usr/sbin/grub-mkconfig") || !exists(root, "/etc/grub.d"))
        set(c, CHECK_BAD, "grub-mkconfig is missing: install %s", package);
    else if (!exists(root, efi ? "/boot/grub/x86_64-efi/multiboot2.mod" : "/boot/grub/i386-pc/multiboot2.mod") &&
             !exists(root, efi ? "/usr/lib/grub/x86_64-efi/multiboot2.mod" : "/usr/lib/grub/i386-pc/multiboot2.mod"))
        set(c, CHECK_BAD, "its module multiboot2 is missing: install %s", package);
    else
        set(c, CHECK_GOOD, "with multiboot2");
}

static void check_kernel(const char *root, struct check *c) {
    char p[PATH_MAX];
    struct dirent *de;
    unsigned n = 0;
    DIR *d;

    c->name = "kernel";
    d = path_below(root, "/boot", p, NULL) == 0 ? opendir(p) : NULL;
    while (d && (de = readdir(d)))
        n += strncmp(de->d_name, "vmlinuz-", 8) == 0;
    if (d)
        closedir(d);
    if (n)
        set(c, CHECK_GOOD, "%u in /boot", n);
    else
        set(c, CHECK_BAD, "there is no /boot/vmlinuz-*: RootVisor would have nothing to start");
}

static void check_space(const char *root, struct check *c) {
    struct statvfs s;
    char p[PATH_MAX];

    c->name = "space";
    if (path_below(root, "/boot", p, NULL) < 0 || statvfs(p, &s) < 0)
        set(c, CHECK_BAD, "there is no /boot");
    else if ((uint64_t)s.f_bavail * s.f_frsize < BOOT_SPACE_MIN)
        set(c, CHECK_BAD, "less than %llu MiB are free in /boot", BOOT_SPACE_MIN >> 20);
    else
        set(c, CHECK_GOOD, "%" PRIu64 " MiB free in /boot", (uint64_t)s.f_bavail * s.f_frsize >> 20);
}

unsigned deploy_checks(const char *root, struct check checks[static CHECKS_MAX]) {
    static void (*const list[])(const char *, struct check *) = {check_memory, check_boot,  check_secure_boot,
                                                                 check_tpm,    check_iommu, check_grub,
                                                                 check_kernel, check_space};
    unsigned n = 0;

    memset(checks, 0, CHECKS_MAX * sizeof(checks[0]));
    if (root[0]) {
        checks[n].name = "CPU";
        set(&checks[n++], CHECK_UNKNOWN, "not judged: with --root it may be another machine's");
    } else
        check_cpu(&checks[n++]);
    for (size_t i = 0; i < ELEMENTSOF(list); i++)
        list[i](root, &checks[n++]);
    return n;
}
