/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images go: the row first, then the file, put aside at once and removed in a thread. */
#include "bus.h"
#include "files.h"
#include "image-internal.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

struct remove_job {
    struct operation *op;
    char **paths;
    size_t n;
};

static void remove_job_free(struct remove_job *j) {
    for (size_t i = 0; i < j->n; i++)
        free(j->paths[i]);
    free(j->paths);
    free(j);
}

static int remove_work(void *data) {
    struct remove_job *j = data;

    for (size_t i = 0; i < j->n; i++)
        (void)unlink(j->paths[i]); /* what stays, the next start removes */
    return 0;
}

static void remove_done(void *data, int r) {
    struct remove_job *j = data;

    (void)r;
    operation_done(j->op);
    remove_job_free(j);
}

/* Returns the bytes that are freed, or a negative errno. */
static int64_t set_aside(struct image *image, char **ret) {
    struct manager *m = image->manager;
    _cleanup_free_ char *path = NULL;
    int64_t size = (int64_t)image->size;
    int r;

    if (image_path(m, image->digest, &path) < 0 ||
        asprintf(ret, "%s/images/.deleted-%s", m->config->state_directory, image->digest) < 0)
        return -ENOMEM;
    r = store_delete_image(m->store, image->digest);
    if (r < 0)
        return r;
    if (rename(path, *ret) < 0)
        log_warning("Image %s cannot be put aside: %s", image->digest, strerror(errno));
    bus_image_removed(image);
    image_remove(image);
    return size;
}

static void run(struct manager *m, struct remove_job *j) {
    int r = inbox_run(m->inbox, remove_work, remove_done, j);

    if (r < 0)
        remove_done(j, r);
}

static struct remove_job *remove_job_new(struct operation *op, size_t n) {
    struct remove_job *j = calloc(1, sizeof(*j));

    if (j)
        j->paths = calloc(n ?: 1, sizeof(*j->paths));
    if (!j || !j->paths) {
        free(j);
        return NULL;
    }
    j->op = op;
    return j;
}

int manager_delete_image(struct manager *m, const char *digest, const char *who, struct operation **ret,
                         sd_bus_error *error) {
    struct image *image = manager_find_image(m, digest);
    struct remove_job *j;
    int64_t size;
    int r;

    if (!image)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_IMAGE, "there is no image '%.100s'", digest);
    if (image_is_used(image))
        return sd_bus_error_setf(error, BUS_ERROR_IMAGE_IN_USE, "a machine uses image %s (%s)", digest,
                                 image->name);
    r = operation_new(m, OPERATION_DELETE_IMAGE, NULL, who, ret, error);
    if (r < 0)
        return r;
    operation_begin(*ret);
    audit(m, NULL, "delete-image", who, "image %s (%s)", image->digest, image->name);
    j = remove_job_new(*ret, 1);
    size = j ? set_aside(image, &j->paths[j->n++]) : -ENOMEM;
    if (size < 0) {
        operation_fail_store(*ret, (int)size);
        if (j)
            remove_job_free(j);
        return 0;
    }
    operation_result_u64(*ret, "Bytes", (uint64_t)size);
    run(m, j);
    return 0;
}

int manager_collect_images(struct manager *m, const char *who, struct operation **ret, sd_bus_error *error) {
    struct remove_job *j;
    uint64_t bytes = 0;
    int r;

    r = operation_new(m, OPERATION_COLLECT_IMAGES, NULL, who, ret, error);
    if (r < 0)
        return r;
    operation_begin(*ret);
    j = remove_job_new(*ret, m->nr_images);
    if (!j) {
        operation_fail(*ret, BUS_ERROR_FAILED, "out of memory");
        return 0;
    }
    for (size_t i = m->nr_images; i > 0; i--) {
        int64_t size;

        if (image_is_used(m->images[i - 1]))
            continue;
        size = set_aside(m->images[i - 1], &j->paths[j->n++]);
        if (size < 0) {
            operation_fail_store(*ret, (int)size);
            remove_job_free(j);
            return 0;
        }
        bytes += (uint64_t)size;
    }
    audit(m, NULL, "collect-images", who, "%zu images without a machine removed, %llu bytes", j->n,
          (unsigned long long)bytes);
    operation_result_u64(*ret, "Images", j->n);
    operation_result_u64(*ret, "Bytes", bytes);
    run(m, j);
    return 0;
}
