/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that are whole or not there, whatever kills us: a temporary one beside, fsync, rename, fsync of the
 * directory.
 */
#ifndef CVMCTL_ATOMIC_H
#define CVMCTL_ATOMIC_H

#include "attest/util.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * atomic_write - put a file in place, if it is not the same already
 * @changed: becomes true if it was written; may be NULL
 *
 * Returns 0 or a negative errno with @e set.
 */
int atomic_write(const char *path, const void *p, size_t size, mode_t mode, bool *changed,
                 struct cvm_error *e);
/* Whether the file is there with these bytes and this mode. */
bool atomic_is(const char *path, const void *p, size_t size, mode_t mode);
/* Removes a file and makes that durable; none is no error. */
int atomic_remove(const char *path, bool *changed, struct cvm_error *e);
/* A directory, if it is not there. */
int atomic_mkdir(const char *path, struct cvm_error *e);

#endif
