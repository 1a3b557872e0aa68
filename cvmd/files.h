/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of a machine, in StateDirectory/machines/NAME. QEMU's user reads them; libvirt hands them over to it.
 */
#ifndef CVMD_FILES_H
#define CVMD_FILES_H

#include "util.h"

struct machine;

/* mkdir, mode 0711, emptied of what a killed cvmd left there. */
int files_make_directory(const char *path, struct cvm_error *e);

/* For a copy that somebody watches; all may be NULL. */
struct files_watch {
    _Atomic bool *cancel;       /* read now and then */
    _Atomic uint64_t *done;     /* bytes, added to */
    struct evp_md_ctx_st *hash; /* fed with the bytes */
};

/**
 * files_copy - copy an open regular file, durably: the name appears when all of it is on the disk
 * @fd:   read from its beginning, whatever its offset; holes stay holes
 * @what: for error texts
 * @max:  bytes; more are refused
 * @size: bytes copied; may be NULL
 *
 * Returns 0; -EINVAL: no regular file, or empty; -EFBIG; -ECANCELED; an errno of reading or writing.
 */
int files_copy(int fd, const char *to, const char *what, uint64_t max, const struct files_watch *watch,
               uint64_t *size, struct cvm_error *e);
/* Bytes of a regular file, 0 if it is none. */
uint64_t files_size(int fd);
/* Makes the names in a directory durable. */
int files_sync_directory(const char *path);

/* The first 64 KiB of a file, or all of it. */
int files_read_head(const char *path, void **ret, size_t *size, struct cvm_error *e);

/* A directory and the files in it; it need not be there. */
int files_remove_directory(const char *path);
/* Directory and all; errors are logged. */
void files_remove_machine(const struct machine *m);
/* Puts a machine's directory aside; @aside: where, for files_remove_directory(); the caller frees. */
int files_set_aside(const struct machine *m, char **aside);
/* Remove directories that belong to no machine. */
struct manager;
void files_remove_strays(struct manager *m);

#endif
