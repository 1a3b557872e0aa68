/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

struct upload {
    struct rest *rest;
    EVP_MD_CTX *md;
    uint64_t size;
    char digest[97];
    int fd;
};

int upload_new(struct rest *rest, struct upload **ret) {
    struct upload *u = calloc(1, sizeof(*u));
    int r;

    if (!u)
        return -ENOMEM;
    u->rest = rest;
    u->fd = open(rest->upload_directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    r = u->fd < 0 ? -errno : 0;
    u->md = EVP_MD_CTX_new();
    if (r >= 0 && (!u->md || !EVP_DigestInit_ex(u->md, EVP_sha384(), NULL)))
        r = -ENOMEM;
    if (r < 0) {
        upload_free(u);
        return r;
    }
    *ret = u;
    return 0;
}

void upload_free(struct upload *u) {
    if (!u)
        return;
    EVP_MD_CTX_free(u->md);
    close_fdp(&u->fd);
    free(u);
}

int upload_write(struct upload *u, const void *p, size_t size) {
    if (size > u->rest->limits.upload - u->size)
        return -EFBIG;
    if (!EVP_DigestUpdate(u->md, p, size))
        return -ENOMEM;
    while (size) {
        ssize_t n = write(u->fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p = (const char *)p + n;
        size -= (size_t)n;
        u->size += (uint64_t)n;
    }
    return 0;
}

int upload_finish(struct upload *u) {
    uint8_t digest[48];

    if (!EVP_DigestFinal_ex(u->md, digest, NULL))
        return -ENOMEM;
    cvm_hex_encode(digest, sizeof(digest), u->digest);
    return lseek(u->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

uint64_t upload_size(const struct upload *u) {
    return u->size;
}

const char *upload_digest(const struct upload *u) {
    return u->digest;
}

int upload_fd(const struct upload *u) {
    return u->fd;
}
