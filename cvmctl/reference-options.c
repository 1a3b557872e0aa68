/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reference-options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where an installation keeps them; colon-separated. */
#ifndef CVMD_IMAGE_DIRS
#define CVMD_IMAGE_DIRS "/usr/lib/cvmd"
#endif

const struct verb_option reference_options[] = {
    {"kernel", OPT_KERNEL, "FILE", "bzImage as given to `cvmctl launch`"},
    {"initrd", OPT_INITRD, "FILE", "initial RAM disk"},
    {"cmdline", OPT_CMDLINE, "TEXT", "kernel command line"},
    {"vcpus", OPT_REF_VCPUS, "N", "number of virtual CPUs, 1 if not given"},
    {"firmware", OPT_FIRMWARE, "FILE", "cvmboot.rom"},
    {"rootvisor", OPT_ROOTVISOR, "FILE", "RootVisor's ELF file"},
    {"guardian", OPT_GUARDIAN, "FILE", "guardian.bin"},
    {"images", OPT_IMAGES, "DIR", "where the last three are looked for if not named"},
    {"event-log", OPT_EVENT_LOG, "FILE",
     "TPM event log of a host that was started as it shall be:\nits firmware and loader are expected"},
    {0},
};

bool reference_options_take(struct reference_options *o, int opt, const char *arg) {
    switch (opt) {
    case OPT_KERNEL:
        o->files.kernel = arg;
        return true;
    case OPT_INITRD:
        o->files.initrd = arg;
        return true;
    case OPT_CMDLINE:
        o->files.cmdline = arg;
        return true;
    case OPT_FIRMWARE:
        o->files.firmware = arg;
        return true;
    case OPT_ROOTVISOR:
        o->files.rootvisor = arg;
        return true;
    case OPT_GUARDIAN:
        o->files.guardian = arg;
        return true;
    case OPT_IMAGES:
        o->images = arg;
        return true;
    case OPT_REF_VCPUS:
        /* What is no number is out of range, and refused as that. */
        o->files.vcpus = strspn(arg, "0123456789") == strlen(arg) && *arg && strlen(arg) < 6 ? (unsigned)atoi(arg) : UINT_MAX;
        if (o->files.vcpus == 0)
            o->files.vcpus = UINT_MAX;
        return true;
    case OPT_EVENT_LOG:
        o->files.event_log = arg;
        return true;
    default:
        return false;
    }
}

bool reference_options_given(const struct reference_options *o) {
    const struct cvm_reference_files *f = &o->files;

    return f->kernel || f->initrd || f->cmdline || f->firmware || f->rootvisor || f->guardian ||
           f->event_log || o->images;
}

/* Looks for one of @names (two, the second may be NULL) in each directory of @dirs. */
static bool look_for(const char *dirs, const char *const *names, char *buf) {
    for (const char *d = dirs; *d;) {
        size_t len = strcspn(d, ":");

        for (unsigned i = 0; i < 2 && names[i]; i++)
            if (snprintf(buf, PATH_MAX, "%.*s/%s", (int)len, d, names[i]) < PATH_MAX &&
                access(buf, R_OK) == 0)
                return true;
        d += len;
        d += *d == ':';
    }
    return false;
}

static int complete(const struct reference_options *o, const char **path, char *buf, const char *const *names,
                    struct cvm_error *e) {
    if (*path)
        return 0;
    if (look_for(o->images ?: CVMD_IMAGE_DIRS, names, buf))
        *path = buf;
    else if (o->images)
        return cvm_error_set(e, -ENOENT, "there is no readable '%s/%s'", o->images, names[0]);
    return 0;
}

int reference_options_complete(struct reference_options *o, const struct cvm_reference *known,
                               struct cvm_error *e) {
    static const char *const firmware[] = {"cvmboot.rom", NULL};
    static const char *const rootvisor[] = {"rootvisor", "rootvisor.elf"};
    static const char *const guardian[] = {"guardian.bin", NULL};
    int r;

    if (known && !o->images)
        return 0;
    r = complete(o, &o->files.firmware, o->firmware, firmware, e);
    if (r == 0)
        r = complete(o, &o->files.rootvisor, o->rootvisor, rootvisor, e);
    if (r == 0)
        r = complete(o, &o->files.guardian, o->guardian, guardian, e);
    if (r == 0 && o->files.kernel && !o->files.firmware)
        return cvm_error_set(
            e, -ENOENT, "give --firmware cvmboot.rom: it is part of the launch measurement (not found in %s)",
            CVMD_IMAGE_DIRS);
    return r;
}
