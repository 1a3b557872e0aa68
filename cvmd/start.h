/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way up of a machine, in a thread: copy its files, start QEMU. */
#ifndef CVMD_START_H
#define CVMD_START_H

#include "files.h"
#include "machine.h"

struct start_job {
    struct machine *machine; /* touched by the main thread only */
    struct virt *virt;
    bool start;               /* else copy only */
    bool fresh;               /* a new machine: what a killed launch left in its directory goes */
    int kernel_fd, initrd_fd; /* to be copied, or -1 */
    struct files_watch watch;
    struct machine_files {
        char *directory, *log;
        /* kernel, initrd, disks; from: the image that a missing one is copied from, or NULL */
        struct machine_file {
            char *path, *from;
        } kernel, initrd, disk[DISKS_MAX];
        unsigned nr_disks;
    } files;
    struct machine *shape; /* a copy of what the domain is made of */
    char *type, *firmware;

    const char *error_name;
    struct cvm_error error;
    char *console;
};

/**
 * start_job_new - all that the thread needs, so that it need not look at the machine
 * @o: descriptors of files to copy; NULL: none
 */
int start_job_new(struct machine *m, const struct machine_options *o, bool start, struct start_job **ret);
void start_job_free(struct start_job *j);
CVM_DEFINE_CLEANUP(struct start_job *, start_job_free)
/* In a thread. */
int start_job_work(void *data);

#endif
