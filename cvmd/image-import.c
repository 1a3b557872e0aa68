/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Import: copied aside and hashed in a thread; the name appears when the bytes are on the disk and their
 * digest is known, the row after that.
 */
#include "bus.h"
#include "files.h"
#include "image-internal.h"
#include "log.h"
#include "manager.h"
#include "validate.h"

#include "attest/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

struct import_job {
    struct operation *op;
    struct image *image; /* all but digest and size */
    int fd;
    char *temporary, *expected; /* expected: digest, or NULL */
    _Atomic bool cancel;
    _Atomic uint64_t done;
    uint64_t total;
    sd_event_source *tick;
    const char *error_name;
    struct cvm_error error;
};

static void import_job_free(struct import_job *j) {
    if (!j)
        return;
    sd_event_source_disable_unref(j->tick);
    close_fdp(&j->fd);
    free(j->temporary);
    free(j->expected);
    image_free(j->image);
    free(j);
}
CVM_DEFINE_CLEANUP(struct import_job *, import_job_free)

static uint64_t size_max(enum image_kind kind) {
    switch (kind) {
    case IMAGE_KERNEL:
        return CVM_KERNEL_FILE_MAX;
    case IMAGE_INITRD:
        return CVM_INITRD_FILE_MAX;
    case IMAGE_CMDLINE:
        return CMDLINE_MAX + 1;
    default:
        return UINT64_MAX;
    }
}

/* What it claims to be. */
static int check_kind(struct import_job *j) {
    _cleanup_free_ void *head = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r;

    if (j->image->kind != IMAGE_KERNEL && j->image->kind != IMAGE_CMDLINE)
        return 0;
    r = files_read_head(j->temporary, &head, &size, &j->error);
    if (r < 0)
        return r;
    if (j->image->kind == IMAGE_KERNEL) {
        j->error_name = BUS_ERROR_INVALID_KERNEL;
        return validate_kernel(head, size, &j->error);
    }
    j->error_name = BUS_ERROR_INVALID_CMDLINE;
    if (memchr(head, 0, size))
        return cvm_error_set(&j->error, -EINVAL, "the kernel command line holds a NUL byte");
    text = strndup(head, size);
    if (!text)
        return cvm_error_set(&j->error, -ENOMEM, "out of memory");
    text[strcspn(text, "\n")] = 0; /* an editor's newline at the end */
    if (strlen(text) + 1 < size)
        return cvm_error_set(&j->error, -EINVAL, "the kernel command line has more than one line");
    return validate_cmdline(text, &j->error);
}

static int import_work(void *data) {
    struct import_job *j = data;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    struct files_watch watch = {.cancel = &j->cancel, .done = &j->done, .hash = hash};
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int r;

    j->error_name = BUS_ERROR_FAILED;
    if (!hash || EVP_DigestInit_ex(hash, EVP_sha384(), NULL) != 1)
        r = cvm_error_set(&j->error, -ENOMEM, "SHA-384 is not to be had");
    else
        r = files_copy(j->fd, j->temporary, "the image", size_max(j->image->kind), &watch, &j->image->size,
                       &j->error);
    if (r >= 0 && (EVP_DigestFinal_ex(hash, digest, &n) != 1 || n != CVM_DIGEST_SIZE))
        r = cvm_error_set(&j->error, -EIO, "SHA-384 failed");
    EVP_MD_CTX_free(hash);
    if (r < 0)
        return r;
    cvm_hex_encode(digest, n, j->image->digest);
    return check_kind(j);
}

static int put(struct import_job *j) {
    struct image *image = j->image;
    struct manager *m = image->manager;
    _cleanup_free_ char *path = NULL, *directory = NULL;
    int r;

    if (image_path(m, image->digest, &path) < 0 || image_path(m, "", &directory) < 0)
        return -ENOMEM;
    if (rename(j->temporary, path) < 0)
        return -errno;
    r = files_sync_directory(directory);
    if (r >= 0)
        r = store_put_image(m->store, &(struct store_image){.digest = image->digest,
                                                            .name = image->name,
                                                            .kind = image_kind_to_string(image->kind),
                                                            .size = image->size,
                                                            .created = image->created});
    if (r >= 0)
        r = image_add(image);
    if (r < 0) {
        (void)store_delete_image(m->store, image->digest);
        unlink(path);
        return r;
    }
    j->image = NULL;
    bus_image_added(image);
    return 0;
}

static int finish(struct import_job *j, const struct image **ret) {
    struct manager *m = j->image->manager;
    int r;

    if (j->expected && strcmp(j->expected, j->image->digest) != 0) {
        j->error_name = BUS_ERROR_DIGEST_MISMATCH;
        return cvm_error_set(&j->error, -EBADMSG, "the file has the digest %s, not %s", j->image->digest,
                             j->expected);
    }
    *ret = manager_find_image(m, j->image->digest);
    if (*ret) /* known already */
        return 0;
    *ret = j->image;
    j->error_name = BUS_ERROR_STORE;
    r = put(j);
    return r < 0 ? cvm_error_set(&j->error, r, "the image cannot be stored: %s", strerror(-r)) : 0;
}

static void import_done(void *data, int r) {
    _cleanup_(import_job_freep) struct import_job *j = data;
    const struct image *image = NULL;
    struct manager *m = j->op->manager;

    if (r >= 0 && j->cancel)
        r = -ECANCELED;
    if (r >= 0)
        r = finish(j, &image);
    if (unlink(j->temporary) < 0 && errno != ENOENT)
        log_warning("%s cannot be removed: %s", j->temporary, strerror(errno));
    if (r == -ECANCELED) {
        operation_cancelled(j->op);
        return;
    }
    if (r < 0) {
        audit(m, NULL, "import-failed", j->op->who, "import of an image failed: %s", j->error.text);
        operation_fail(j->op, j->error_name, j->error.text);
        return;
    }
    audit(m, NULL, "image-imported", j->op->who, "image %s (%s, %s)", image->digest, image->name,
          image_kind_to_string(image->kind));
    operation_result_string(j->op, "Digest", image->digest);
    operation_result_u64(j->op, "Size", image->size);
    operation_done(j->op);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
    struct import_job *j = userdata;

    (void)usec;
    operation_progress(j->op, j->done, j->total, "bytes");
    (void)sd_event_source_set_time_relative(source, 100000);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void cancel_import(struct operation *op, void *userdata) {
    struct import_job *j = userdata;

    op->cancel = NULL;
    j->cancel = true;
}

int manager_import_image(struct manager *m, const char *name, const char *kind, int fd, const char *digest,
                         const char *who, struct operation **ret, sd_bus_error *error) {
    _cleanup_(import_job_freep) struct import_job *j = calloc(1, sizeof(*j));
    int k = image_kind_from_string(kind), r;
    struct cvm_error e = {0};

    if (k < 0)
        return sd_bus_error_setf(
            error, BUS_ERROR_INVALID_ARGUMENT,
            "image kind '%.40s' is neither 'kernel' nor 'initrd' nor 'cmdline' nor 'disk'", kind);
    if (validate_name(name, &e) < 0)
        return sd_bus_error_set(error, BUS_ERROR_INVALID_NAME, e.text);
    if (!j)
        return sd_bus_error_set_errno(error, -ENOMEM);
    j->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    j->image = calloc(1, sizeof(*j->image));
    if (j->fd < 0 || !j->image || free_and_strdup(&j->image->name, name) < 0 ||
        free_and_strdup(&j->expected, digest) < 0)
        return sd_bus_error_set_errno(error, j->fd < 0 ? -errno : -ENOMEM);
    j->image->manager = m;
    j->image->kind = (enum image_kind)k;
    j->image->created = now_usec(CLOCK_REALTIME);
    j->total = files_size(j->fd);
    r = operation_new(m, OPERATION_IMPORT_IMAGE, NULL, who, &j->op, error);
    if (r < 0)
        return r;
    *ret = j->op;
    audit(m, NULL, "import-image", who, "import of image '%s' (%s)", name, kind);
    operation_begin(j->op);
    if (asprintf(&j->temporary, "%s/images/.import-%s", m->config->state_directory, j->op->id) < 0)
        r = -ENOMEM;
    if (r >= 0)
        r = sd_event_add_time_relative(m->event, &j->tick, CLOCK_MONOTONIC, 100000, 0, on_tick, j);
    if (r >= 0)
        r = inbox_run(m->inbox, import_work, import_done, j);
    if (r < 0) {
        operation_fail(*ret, BUS_ERROR_FAILED, "no memory or no thread: try again later");
        return 0;
    }
    j->op->cancel = cancel_import;
    j->op->cancel_data = j;
    j = NULL;
    return 0;
}
