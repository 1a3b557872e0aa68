/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image.h"

#include "bus.h"
#include "files.h"
#include "image-internal.h"
#include "log.h"
#include "manager.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char *const kinds[IMAGE_KIND_MAX] = {
    [IMAGE_KERNEL] = "kernel",
    [IMAGE_INITRD] = "initrd",
    [IMAGE_CMDLINE] = "cmdline",
    [IMAGE_DISK] = "disk",
};

const char *image_kind_to_string(enum image_kind k) {
    return k < IMAGE_KIND_MAX ? kinds[k] : NULL;
}

int image_kind_from_string(const char *s) {
    for (int i = 0; i < IMAGE_KIND_MAX; i++)
        if (strcmp(s, kinds[i]) == 0)
            return i;
    return -EINVAL;
}

int image_path(struct manager *m, const char *digest, char **ret) {
    return asprintf(ret, "%s/images/%s", m->config->state_directory, digest) < 0 ? -ENOMEM : 0;
}

int image_object_path(const struct image *image, char **ret) {
    return sd_bus_path_encode(BUS_IMAGE_PREFIX, image->digest, ret);
}

void image_free(struct image *image) {
    if (!image)
        return;
    free(image->name);
    free(image);
}

void images_free(struct manager *m) {
    for (size_t i = 0; i < m->nr_images; i++)
        image_free(m->images[i]);
    free(m->images);
}

/* Index of @digest, or where it would be. */
static size_t position(const struct manager *m, const char *digest, bool *found) {
    size_t lo = 0, hi = m->nr_images;

    *found = false;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strcmp(m->images[mid]->digest, digest);

        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct image *manager_find_image(struct manager *m, const char *digest) {
    bool found;
    size_t i = position(m, digest, &found);

    return found ? m->images[i] : NULL;
}

int image_add(struct image *image) {
    struct manager *m = image->manager;
    struct image **p = reallocarray(m->images, m->nr_images + 1, sizeof(*p));
    bool found;
    size_t i;

    if (!p)
        return -ENOMEM;
    m->images = p;
    i = position(m, image->digest, &found);
    memmove(p + i + 1, p + i, (m->nr_images - i) * sizeof(*p));
    p[i] = image;
    m->nr_images++;
    return 0;
}

void image_remove(struct image *image) {
    struct manager *m = image->manager;
    bool found;
    size_t i = position(m, image->digest, &found);

    memmove(m->images + i, m->images + i + 1, (m->nr_images - i - 1) * sizeof(*m->images));
    m->nr_images--;
    image_free(image);
}

static bool names(const struct machine *k, const char *digest) {
    return (k->kernel_image && strcmp(k->kernel_image, digest) == 0) ||
           (k->initrd_image && strcmp(k->initrd_image, digest) == 0) ||
           (k->disks && strstr(k->disks, digest));
}

int image_each_user(const struct image *image, int (*fn)(void *userdata, struct machine *k), void *userdata) {
    struct manager *m = image->manager;
    int r = 0;

    for (size_t i = 0; r == 0 && i < m->nr_machines; i++)
        if (names(m->machines[i], image->digest) ||
            (m->machines[i]->wanted && names(m->machines[i]->wanted, image->digest)))
            r = fn(userdata, m->machines[i]);
    return r;
}

static int one(void *userdata, struct machine *k) {
    (void)userdata;
    (void)k;
    return 1;
}

bool image_is_used(const struct image *image) {
    return image_each_user(image, one, NULL) > 0;
}

static int load(void *userdata, const struct store_image *row) {
    _cleanup_(image_freep) struct image *image = calloc(1, sizeof(*image));
    int kind = image_kind_from_string(row->kind), r;
    struct manager *m = userdata;

    if (!image || free_and_strdup(&image->name, row->name) < 0)
        return -ENOMEM;
    if (kind < 0 || !digest_is_valid(row->digest)) {
        log_error("Image '%s' in the store is damaged and left out", row->digest);
        return 0;
    }
    memcpy(image->digest, row->digest, sizeof(image->digest));
    image->manager = m;
    image->kind = (enum image_kind)kind;
    image->size = row->size;
    image->created = row->created;
    r = image_add(image);
    if (r < 0)
        return r;
    image = NULL;
    return 0;
}

static void remove_strays(struct manager *m, const char *directory) {
    struct dirent *de;
    DIR *d = opendir(directory);

    while (d && (de = readdir(d)))
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
            !manager_find_image(m, de->d_name) && unlinkat(dirfd(d), de->d_name, 0) < 0)
            log_warning("%s/%s belongs to no image and cannot be removed: %s", directory, de->d_name,
                        strerror(errno));
    if (d)
        closedir(d);
}

/* The row of an image comes last and goes first: one without a file means that somebody else removed it. */
static void drop_lost(struct manager *m) {
    for (size_t i = m->nr_images; i > 0; i--) {
        struct image *image = m->images[i - 1];
        _cleanup_free_ char *path = NULL;

        if (image_path(m, image->digest, &path) < 0 || access(path, F_OK) == 0)
            continue;
        log_error("Image %s (%s) has lost its file %s and is forgotten", image->digest, image->name, path);
        (void)store_delete_image(m->store, image->digest);
        image_remove(image);
    }
}

int images_load(struct manager *m, struct cvm_error *e) {
    _cleanup_free_ char *directory = NULL;
    int r;

    if (image_path(m, "", &directory) < 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return cvm_error_set(e, -errno, "cannot create %s: %s", directory, strerror(errno));
    r = store_each_image(m->store, load, m);
    if (r < 0)
        return cvm_error_set(e, r, "cannot read the images from the store: %s", strerror(-r));
    remove_strays(m, directory);
    drop_lost(m);
    return 0;
}
