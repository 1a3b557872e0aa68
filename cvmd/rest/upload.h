/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A body that is a file: written to a nameless one, measured on the way.
 */
#ifndef CVMD_REST_UPLOAD_H
#define CVMD_REST_UPLOAD_H

#include "rest.h"

struct upload;

int upload_new(struct rest *rest, struct upload **ret);
void upload_free(struct upload *u);
/* 0; -EFBIG: over limits.upload; -ENOSPC and other errors of write. */
int upload_write(struct upload *u, const void *p, size_t size);
int upload_finish(struct upload *u);
uint64_t upload_size(const struct upload *u);
/* 96 hexadecimal digits (SHA-384), after upload_finish(). */
const char *upload_digest(const struct upload *u);
/* Read-only, at its start; the upload's. */
int upload_fd(const struct upload *u);

#endif
