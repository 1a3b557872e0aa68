/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reference values from files alone. */
#include <errno.h>
#include <string.h>

#include "digest.h"
#include "eventlog.h"
#include "reference.h"

static int read_and(const char *path, size_t max, void **buf, size_t *size, struct cvm_error *e) {
    free(*buf);
    *buf = NULL;
    return cvm_read_file(path, max, buf, size, e);
}

static int name_file(const char *path, int r, const struct cvm_error *why, struct cvm_error *e) {
    return cvm_error_set(e, r, "'%s': %.300s", path, why->text[0] ? why->text : strerror(-r));
}

/* Kernel, initrd, command line, number of vCPUs: all but the firmware, which stands before them. */
static int components_from_files(const struct cvm_reference_files *f, struct cvm_ref_launch *l,
                                 struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL;
    struct cvm_error why = {""};
    size_t size = 0;
    int r;

    l->nr = 1;
    r = read_and(f->kernel, CVM_KERNEL_FILE_MAX, &buf, &size, e);
    if (r < 0)
        return r;
    r = cvm_measure_kernel(buf, size, &l->component[l->nr++], &why);
    if (r < 0)
        return name_file(f->kernel, r, &why, e);

    if (f->initrd) {
        r = read_and(f->initrd, CVM_INITRD_FILE_MAX, &buf, &size, e);
        if (r < 0)
            return r;
        r = cvm_measure_bytes(CVM_COMP_INITRD, buf, size, &l->component[l->nr++], &why);
        if (r < 0)
            return name_file(f->initrd, r, &why, e);
    }
    if (f->cmdline && *f->cmdline) {
        size = strlen(f->cmdline);
        if (size > CVM_CMDLINE_MAX)
            return cvm_error_set(e, -E2BIG, "the command line has %zu bytes, at most %u are taken", size,
                                 CVM_CMDLINE_MAX);
        r = cvm_measure_bytes(CVM_COMP_CMDLINE, f->cmdline, size, &l->component[l->nr++], e);
        if (r < 0)
            return r;
    }
    return cvm_measure_vcpus(f->vcpus, l->component, &l->nr, e);
}

/* One launch for each firmware that counts. */
static int launch_from_files(const struct cvm_reference_files *f, const struct cvm_reference *firmware,
                             struct cvm_reference *ret, struct cvm_error *e) {
    struct cvm_ref_launch l = {.nr = 0};
    int r;

    r = components_from_files(f, &l, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < firmware->nr_firmware; i++) {
        l.component[0] = firmware->firmware[i];
        r = cvm_launch_digest(l.component, l.nr, l.digest);
        if (r < 0)
            return cvm_error_set(e, r, "cannot compute the launch measurement: %s", strerror(-r));
        ret->launch[ret->nr_launch++] = l;
    }
    return 0;
}

static int images_from_files(const struct cvm_reference_files *f, struct cvm_reference *ret,
                             struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL;
    struct cvm_error why = {""};
    size_t size = 0;
    int r;

    if (f->rootvisor) {
        r = read_and(f->rootvisor, CVM_IMAGE_FILE_MAX, &buf, &size, e);
        if (r < 0)
            return r;
        r = cvm_rootvisor_digest(buf, size, ret->rootvisor[0].digest, &why);
        if (r < 0)
            return name_file(f->rootvisor, r, &why, e);
        ret->nr_rootvisor = 1;
    }
    if (f->guardian) {
        r = read_and(f->guardian, CVM_IMAGE_FILE_MAX, &buf, &size, e);
        if (r < 0)
            return r;
        r = cvm_guardian_digest(buf, size, ret->guardian[0].digest, &ret->guardian[0].min_svn, &why);
        if (r < 0)
            return name_file(f->guardian, r, &why, e);
        ret->nr_guardian = 1;
    }
    if (f->firmware) {
        r = read_and(f->firmware, CVM_ROM_SIZE * 16, &buf, &size, e);
        if (r < 0)
            return r;
        r = cvm_measure_firmware(buf, size, &ret->firmware[0], &why);
        if (r < 0)
            return name_file(f->firmware, r, &why, e);
        ret->nr_firmware = 1;
    }
    return 0;
}

static int boot_from_file(const char *path, struct cvm_reference *ret, struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL;
    struct cvm_error why = {""};
    size_t size = 0;
    int r;

    r = read_and(path, CVM_LOG_MAX, &buf, &size, e);
    if (r < 0)
        return r;
    r = cvm_reference_from_log(buf, size, ret, &why);
    return r < 0 ? name_file(path, r, &why, e) : 0;
}

int cvm_reference_from_files(const struct cvm_reference_files *f, const struct cvm_reference *known,
                             struct cvm_reference *ret, struct cvm_error *e) {
    int r;

    memset(ret, 0, sizeof(*ret));
    if (!f->kernel && (f->initrd || f->cmdline || f->vcpus))
        return cvm_error_set(e, -EINVAL, "an initrd, command line or number of vCPUs needs the kernel too");
    if (f->kernel && !f->firmware && !(known && known->nr_firmware))
        return cvm_error_set(e, -EINVAL, "the launch measurement needs the firmware too: name cvmboot.rom");
    r = images_from_files(f, ret, e);
    if (r == 0 && f->event_log)
        r = boot_from_file(f->event_log, ret, e);
    if (r < 0 || !f->kernel)
        return r;
    return launch_from_files(f, f->firmware ? ret : known, ret, e);
}
