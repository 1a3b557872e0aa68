/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images: files named by their SHA-384, in StateDirectory/images, which only root can enter. A machine works
 * on copies of its own: a QEMU that was taken over changes no other machine's files.
 */
#ifndef CVMD_IMAGE_H
#define CVMD_IMAGE_H

#include "util.h"

#include "cvm/report.h"

#define DIGEST_STRING_MAX (2 * CVM_DIGEST_SIZE + 1)

enum image_kind {
    IMAGE_KERNEL,
    IMAGE_INITRD,
    IMAGE_CMDLINE, /* text of one line */
    IMAGE_DISK,    /* raw */
    IMAGE_KIND_MAX,
};
const char *image_kind_to_string(enum image_kind k);
int image_kind_from_string(const char *s); /* or -EINVAL */

struct manager;
struct operation;

struct image {
    struct manager *manager;
    char digest[DIGEST_STRING_MAX];
    char *name;
    enum image_kind kind;
    uint64_t size;    /* bytes */
    uint64_t created; /* microseconds since 1970 */
};

struct image *manager_find_image(struct manager *m, const char *digest);
/* Whether a machine names it. */
bool image_is_used(const struct image *image);
/* Calls @fn for each machine that names it, until it returns non-zero; returns that. */
struct machine;
int image_each_user(const struct image *image, int (*fn)(void *userdata, struct machine *k), void *userdata);
/* The file of an image; the caller frees. */
int image_path(struct manager *m, const char *digest, char **ret);
int image_object_path(const struct image *image, char **ret);

/* Reads the table; removes files that belong to none, and rows whose file is gone. */
int images_load(struct manager *m, struct cvm_error *e);
void images_free(struct manager *m);

#endif
