/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of a machine, in StateDirectory/machines/NAME. QEMU's user reads them; libvirt hands them over to it.
 */
#ifndef CVMD_FILES_H
#define CVMD_FILES_H

#include "util.h"

struct machine;

/* mkdir, mode 0711, emptied of what a killed cvmd left there. */
int files_make_directory(const char *path, struct cvm_error *e);

/**
 * files_copy - copy an open regular file
 * @fd:   read from its beginning, whatever its offset
 * @what: for error texts
 * @max:  bytes; more are refused
 *
 * Returns 0; -EINVAL: no regular file, or empty; -EFBIG; an errno of reading or writing.
 */
int files_copy(int fd, const char *to, const char *what, uint64_t max, struct cvm_error *e);

/* The first 64 KiB of a file, or all of it. */
int files_read_head(const char *path, void **ret, size_t *size, struct cvm_error *e);

/* Directory and all; errors are logged. */
void files_remove_machine(const struct machine *m);
/* Remove directories that belong to no machine. */
struct manager;
void files_remove_strays(struct manager *m);

#endif
