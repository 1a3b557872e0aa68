/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start.h"

#include "bus.h"
#include "image.h"
#include "manager.h"
#include "validate.h"

#include "attest/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void file_done(struct machine_file *f) {
    free(f->path);
    free(f->from);
}

void start_job_free(struct start_job *j) {
    if (!j)
        return;
    close_fdp(&j->kernel_fd);
    close_fdp(&j->initrd_fd);
    free(j->files.directory);
    free(j->files.log);
    file_done(&j->files.kernel);
    file_done(&j->files.initrd);
    for (unsigned i = 0; i < j->files.nr_disks; i++)
        file_done(&j->files.disk[i]);
    machine_free(j->shape);
    free(j->type);
    free(j->firmware);
    free(j->console);
    free(j);
}

/* Named by the image and by how many of the same come before it: a disk keeps what the guest wrote whichever place it has among the
 * others, and another image is another file. */
static int add_disk(struct machine *m, struct machine_files *f, const char *name, size_t n) {
    _cleanup_free_ char *s = strndup(name, n);
    struct machine_file *disk = &f->disk[f->nr_disks];
    unsigned same = 0;
    char file[64];

    if (!s)
        return -ENOMEM;
    if (s[0] == '/') {
        f->nr_disks++;
        disk->path = TAKE_PTR(s);
        return 0;
    }
    if (image_path(m->manager, s, &disk->from) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < f->nr_disks; i++)
        same += f->disk[i].from && strcmp(f->disk[i].from, disk->from) == 0;
    f->nr_disks++;
    snprintf(file, sizeof(file), "disk-%.32s.%u", s, same);
    return machine_file(m, file, &disk->path) < 0 ? -ENOMEM : 0;
}

/* A copy of an image has its digest's beginning in its name: another image is another file. */
static int set_file(struct machine *m, const char *name, const char *digest, struct machine_file *f) {
    char file[64];

    if (!digest)
        return machine_file(m, name, &f->path);
    snprintf(file, sizeof(file), "%s-%.32s", name, digest);
    return machine_file(m, file, &f->path) < 0 || image_path(m->manager, digest, &f->from) < 0 ? -ENOMEM : 0;
}

static int find_files(struct machine *m, struct machine_files *f) {
    int r = 0;

    if (machine_file(m, "", &f->directory) < 0 || machine_file(m, "console.log", &f->log) < 0)
        return -ENOMEM;
    r = set_file(m, "kernel", m->kernel_image, &f->kernel);
    if (r >= 0 && m->has_initrd)
        r = set_file(m, "initrd", m->initrd_image, &f->initrd);
    for (const char *p = m->disks; r >= 0 && p && *p && f->nr_disks < DISKS_MAX; p = strchr(p, '\n') + 1)
        r = add_disk(m, f, p, strcspn(p, "\n"));
    return r;
}

static int duplicate(int fd, int *ret) {
    if (fd < 0)
        return 0;
    *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return *ret < 0 ? -errno : 0;
}

/* Bytes of an image that the machine has no copy of yet. */
static uint64_t to_copy(const struct machine_file *f) {
    struct stat st;

    return f->from && access(f->path, F_OK) < 0 && stat(f->from, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int copy_shape(struct machine *m, struct machine **ret) {
    struct machine *k = machine_new(NULL, m->name, m->uuid);

    *ret = k;
    if (!k || free_and_strdup(&k->cmdline, m->cmdline) < 0 || free_and_strdup(&k->network, m->network) < 0)
        return -ENOMEM;
    k->protected = m->protected;
    k->memory = m->memory;
    k->vcpus = m->vcpus;
    k->backing = m->backing;
    k->cpu_shares = m->cpu_shares;
    k->cpu_quota = m->cpu_quota;
    k->io_weight = m->io_weight;
    return 0;
}

int start_job_new(struct machine *m, const struct machine_options *o, bool start, struct start_job **ret) {
    _cleanup_(start_job_freep) struct start_job *j = calloc(1, sizeof(*j));
    const struct config *c = m->manager->config;
    int r;

    if (!j)
        return -ENOMEM;
    j->kernel_fd = j->initrd_fd = -1;
    j->machine = m;
    j->virt = m->manager->virt;
    j->start = start;
    j->fresh = o;
    j->watch.cancel = &m->cancel;
    j->watch.done = &m->copied;
    m->copied = m->to_copy = 0;
    if (free_and_strdup(&j->type, c->domain_type) < 0 || free_and_strdup(&j->firmware, c->firmware) < 0)
        return -ENOMEM;
    r = find_files(m, &j->files);
    if (r >= 0)
        r = copy_shape(m, &j->shape);
    if (r >= 0 && o)
        r = duplicate(o->kernel_fd, &j->kernel_fd);
    if (r >= 0 && o)
        r = duplicate(o->initrd_fd, &j->initrd_fd);
    if (r < 0)
        return r;
    m->to_copy = (j->kernel_fd >= 0 ? files_size(j->kernel_fd) : to_copy(&j->files.kernel)) +
                 (j->initrd_fd >= 0 ? files_size(j->initrd_fd) : to_copy(&j->files.initrd));
    for (unsigned i = 0; i < j->files.nr_disks; i++)
        m->to_copy += to_copy(&j->files.disk[i]);
    *ret = TAKE_PTR(j);
    return 0;
}

static int check_kernel(struct start_job *j) {
    _cleanup_free_ void *head = NULL;
    size_t size;
    int r = files_read_head(j->files.kernel.path, &head, &size, &j->error);

    return r < 0 ? r : validate_kernel(head, size, &j->error);
}

/* A file of the machine's own, from a descriptor or an image. What is there stays: a disk holds what was
 * written. */
static int provide(struct start_job *j, const struct machine_file *f, int from, const char *what,
                   uint64_t max) {
    _cleanup_close_ int fd = -1;

    if (from >= 0)
        return files_copy(from, f->path, what, max, &j->watch, NULL, &j->error);
    if (access(f->path, F_OK) == 0)
        return 0;
    if (!f->from)
        return cvm_error_set(&j->error, -errno, "%s %s: %s", what, f->path, strerror(errno));
    fd = open(f->from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return cvm_error_set(&j->error, -errno, "image %s: %s", f->from, strerror(errno));
    return files_copy(fd, f->path, what, max, &j->watch, NULL, &j->error);
}

/* The first versions named a disk by its place alone. */
static void adopt_disk(struct start_job *j, unsigned i) {
    const struct machine_file *f = &j->files.disk[i];
    _cleanup_free_ char *old = NULL;

    if (f->from && access(f->path, F_OK) < 0 && asprintf(&old, "%s/disk%u", j->files.directory, i) >= 0)
        (void)rename(old, f->path);
}

/* Copied, then looked at: nobody can change the copy. */
static int copy_files(struct start_job *j) {
    int r;

    j->error_name = BUS_ERROR_INVALID_KERNEL;
    r = provide(j, &j->files.kernel, j->kernel_fd, "the kernel", CVM_KERNEL_FILE_MAX);
    if (r >= 0)
        r = check_kernel(j);
    if (r < 0)
        return r;
    if (j->files.initrd.path) {
        j->error_name = BUS_ERROR_INVALID_INITRD;
        r = provide(j, &j->files.initrd, j->initrd_fd, "the initrd", CVM_INITRD_FILE_MAX);
    }
    if (r >= 0)
        j->error_name = BUS_ERROR_FAILED;
    for (unsigned i = 0; r >= 0 && i < j->files.nr_disks; i++) {
        adopt_disk(j, i);
        r = provide(j, &j->files.disk[i], -1, "the disk", UINT64_MAX);
    }
    return r;
}

static int make_xml(struct start_job *j, char **ret) {
    struct domain_disk disks[DISKS_MAX];
    const struct machine *k = j->shape;
    struct domain_shape shape = {
        .type = j->type,
        .name = k->name,
        .uuid = k->uuid,
        .protected = k->protected,
        .memory = k->memory,
        .vcpus = k->vcpus,
        .backing = k->backing,
        .firmware = j->firmware,
        .kernel = j->files.kernel.path,
        .initrd = j->files.initrd.path,
        .cmdline = k->cmdline,
        .console_log = j->files.log,
        .cpu_shares = k->cpu_shares,
        .cpu_quota = k->cpu_quota,
        .io_weight = k->io_weight,
        .network = k->network,
        .disks = disks,
        .nr_disks = j->files.nr_disks,
    };

    for (unsigned i = 0; i < j->files.nr_disks; i++) {
        struct stat st;

        disks[i].path = j->files.disk[i].path;
        disks[i].block = stat(disks[i].path, &st) == 0 && S_ISBLK(st.st_mode);
    }
    return domain_xml(&shape, ret);
}

int start_job_work(void *data) {
    struct start_job *j = data;
    _cleanup_free_ char *xml = NULL;
    int r = 0;

    j->error_name = BUS_ERROR_FAILED;
    if (j->fresh || access(j->files.directory, F_OK) < 0)
        r = files_make_directory(j->files.directory, &j->error);
    if (r >= 0)
        r = copy_files(j);
    if (r < 0 || !j->start)
        return r;
    j->error_name = BUS_ERROR_CANCELLED;
    if (*j->watch.cancel)
        return cvm_error_set(&j->error, -ECANCELED, "cancelled by request");
    j->error_name = BUS_ERROR_LIBVIRT;
    r = make_xml(j, &xml);
    return r < 0 ? cvm_error_set(&j->error, r, "out of memory")
                 : virt_start(j->virt, xml, &j->console, &j->error);
}
