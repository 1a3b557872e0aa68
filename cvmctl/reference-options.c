/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reference-options.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#ifndef CVMD_IMAGE_DIR
#define CVMD_IMAGE_DIR "/usr/lib/cvmd"
#endif

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
    default:
        return false;
    }
}

bool reference_options_given(const struct reference_options *o) {
    const struct cvm_reference_files *f = &o->files;

    return f->kernel || f->initrd || f->cmdline || f->firmware || f->rootvisor || f->guardian || o->images;
}

static int complete(const char **path, char *buf, const char *dir, bool must, const char *name,
                    struct cvm_error *e) {
    if (*path)
        return 0;
    if (snprintf(buf, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
        return cvm_error_set(e, -ENAMETOOLONG, "the name of the image directory is too long");
    if (access(buf, R_OK) == 0)
        *path = buf;
    else if (must)
        return cvm_error_set(e, -ENOENT, "there is no readable '%s'", buf);
    return 0;
}

int reference_options_complete(struct reference_options *o, struct cvm_error *e) {
    const char *dir = o->images ?: CVMD_IMAGE_DIR;
    bool must = o->images;
    int r;

    r = complete(&o->files.firmware, o->firmware, dir, must, "cvmboot.rom", e);
    if (r < 0)
        return r;
    r = complete(&o->files.rootvisor, o->rootvisor, dir, must, "rootvisor.elf", e);
    if (r < 0)
        return r;
    r = complete(&o->files.guardian, o->guardian, dir, must, "guardian.bin", e);
    if (r < 0)
        return r;
    if (o->files.kernel && !o->files.firmware)
        return cvm_error_set(e, -ENOENT, "give --firmware cvmboot.rom: it is part of the launch measurement (there is none in %s)",
                             dir);
    return 0;
}
