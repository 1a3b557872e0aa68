/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl images encrypt: a disk image that only the key's holder can read: LUKS2, as stock cryptsetup makes it. The header is
 * libcryptsetup's; the data are encrypted here, so that no device mapper and no root are needed.
 */
#include "cvmctl.h"
#include "output.h"
#include "progress.h"

#include "cvm/key.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_OFFSET (1u << 20) /* bytes: two headers of 16 KiB, key slots */
#define METADATA_SIZE (16u << 10)
#define SECTOR 4096u
#define VOLUME_KEY 64u /* bytes: AES-256 in XTS */
#define CHUNK (256u * SECTOR)
/* A random key of 128 bits and more needs no stretching; a passphrase does, and belongs to cryptsetup. */
#define ITERATIONS 1000u
#define KEY_MIN 16u

CVM_DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

enum { OPT_KEY_FILE = OPTION_LONG, OPT_RECOVERY };

const struct verb_option encrypt_options[] = {
    {"key-file", OPT_KEY_FILE, "FILE", "random bytes, 16 to 248: what a broker will release"},
    {"recovery-key-file", OPT_RECOVERY, "FILE", "one more key, which you keep"},
    {0},
};

struct encryption {
    const char *in, *out, *key_file, *recovery_file;
    int in_fd, out_fd;
    uint64_t size;
    uint8_t volume_key[VOLUME_KEY];
};

static void quiet(int level, const char *text, void *data) {
    (void)level;
    (void)text;
    (void)data;
}

static int add_key(struct crypt_device *cd, const struct encryption *x, int slot, const char *path, struct cvm_error *e) {
    _cleanup_free_ void *key = NULL;
    size_t size = 0;
    int r;

    r = cvm_read_file(path, CVM_KEY_MAX, &key, &size, e);
    if (r < 0)
        return r;
    if (size < KEY_MIN)
        return cvm_error_set(e, -EINVAL, "'%s' has %zu bytes, a key has %u to %u random ones", path, size, KEY_MIN, CVM_KEY_MAX);
    r = crypt_keyslot_add_by_volume_key(cd, slot, (const char *)x->volume_key, VOLUME_KEY, key, size);
    OPENSSL_cleanse(key, size);
    return r < 0 ? cvm_error_set(e, r, "cannot put the key of '%s' into the header: %s", path, strerror(-r)) : 0;
}

static int write_header(const struct encryption *x, struct cvm_error *e) {
    const struct crypt_pbkdf_type pbkdf = {
        .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = ITERATIONS, .flags = CRYPT_PBKDF_NO_BENCHMARK};
    struct crypt_params_luks2 params = {.pbkdf = &pbkdf, .sector_size = SECTOR};
    struct crypt_device *cd = NULL;
    int r;

    crypt_set_log_callback(NULL, quiet, NULL);
    /* Nobody else knows the file yet. */
    crypt_metadata_locking(NULL, 0);
    r = crypt_init(&cd, x->out);
    if (r == 0)
        r = crypt_set_metadata_size(cd, METADATA_SIZE, DATA_OFFSET - 2 * METADATA_SIZE);
    if (r == 0)
        r = crypt_set_data_offset(cd, DATA_OFFSET / 512);
    if (r == 0)
        r = crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, (const char *)x->volume_key, VOLUME_KEY, &params);
    if (r < 0)
        cvm_error_set(e, r, "libcryptsetup cannot make the header of '%s': %s", x->out, strerror(-r));
    else
        r = add_key(cd, x, 0, x->key_file, e);
    if (r == 0 && x->recovery_file)
        r = add_key(cd, x, 1, x->recovery_file, e);
    crypt_free(cd);
    return r;
}

/* One sector; its number in units of 512 bytes is the tweak ("plain64"). */
static int encrypt_sector(EVP_CIPHER_CTX *c, uint64_t number, uint8_t *data) {
    uint8_t iv[16] = {0};
    int n;

    for (unsigned i = 0; i < 8; i++)
        iv[i] = (uint8_t)(number >> 8 * i);
    return EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) == 1 && EVP_EncryptUpdate(c, data, &n, data, SECTOR) == 1 ? 0
                                                                                                                 : -EIO;
}

static int read_all(int fd, uint8_t *buf, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, buf + done, size - done);

        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO; /* it was longer a moment ago */
        done += (size_t)n;
    }
    return 0;
}

static int write_data(const struct encryption *x, struct progress *p, struct cvm_error *e) {
    _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    _cleanup_free_ uint8_t *buf = malloc(CHUNK);
    int r = 0;

    if (!c || !buf || EVP_EncryptInit_ex(c, EVP_aes_256_xts(), NULL, x->volume_key, NULL) != 1)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    for (uint64_t at = 0; at < x->size; at += CHUNK) {
        size_t n = x->size - at < CHUNK ? (size_t)(x->size - at) : CHUNK, whole = (n + SECTOR - 1) / SECTOR * SECTOR;

        r = read_all(x->in_fd, buf, n);
        if (r < 0)
            return cvm_error_set(e, r, "cannot read '%s': %s", x->in, strerror(-r));
        memset(buf + n, 0, whole - n);
        for (size_t i = 0; r == 0 && i < whole; i += SECTOR)
            r = encrypt_sector(c, (at + i) / 512, buf + i);
        if (r < 0)
            return cvm_error_set(e, r, "libcrypto cannot encrypt");
        if (pwrite(x->out_fd, buf, whole, (off_t)(DATA_OFFSET + at)) != (ssize_t)whole)
            return cvm_error_set(e, errno ? -errno : -EIO, "cannot write '%s': %s", x->out, strerror(errno));
        progress_update(p, at + n, x->size, "bytes");
    }
    return fsync(x->out_fd) < 0 ? cvm_error_set(e, -errno, "cannot write '%s': %s", x->out, strerror(errno)) : 0;
}

static int open_files(struct encryption *x, struct cvm_error *e) {
    struct stat st;

    x->in_fd = open(x->in, O_RDONLY | O_CLOEXEC);
    if (x->in_fd < 0 || fstat(x->in_fd, &st) < 0)
        return cvm_error_set(e, -errno, "cannot open '%s': %s", x->in, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return cvm_error_set(e, -EINVAL, "'%s' is no image: a file with something in it is wanted", x->in);
    x->size = (uint64_t)st.st_size;
    x->out_fd = open(x->out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (x->out_fd < 0)
        return cvm_error_set(e, -errno, "cannot create '%s': %s", x->out, strerror(errno));
    if (ftruncate(x->out_fd, (off_t)(DATA_OFFSET + (x->size + SECTOR - 1) / SECTOR * SECTOR)) < 0)
        return cvm_error_set(e, -errno, "cannot write '%s': %s", x->out, strerror(errno));
    return 0;
}

int verb_images_encrypt(int argc, char **argv) {
    struct encryption x = {.in_fd = -1, .out_fd = -1};
    struct cvm_error e = {""};
    struct progress p;
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_KEY_FILE)
            x.key_file = optarg;
        else
            x.recovery_file = optarg;
    x.in = argv[optind];
    x.out = argv[optind + 1];
    if (!x.key_file)
        return usage_error(argv[0], "--key-file is missing");
    r = open_files(&x, &e);
    if (r == 0 && RAND_bytes(x.volume_key, sizeof(x.volume_key)) != 1)
        r = cvm_error_set(&e, -EIO, "libcrypto has no random numbers");
    if (r == 0)
        r = write_header(&x, &e);
    if (r == 0) {
        progress_begin(&p, "Encrypting");
        r = write_data(&x, &p, &e);
        progress_end(&p);
    }
    OPENSSL_cleanse(x.volume_key, sizeof(x.volume_key));
    if (x.in_fd >= 0)
        close(x.in_fd);
    if (x.out_fd >= 0) {
        close(x.out_fd);
        if (r < 0)
            unlink(x.out);
    }
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    return done(members("file", x.out, "key_file", x.key_file, NULL), "%s: LUKS2, opened by the key in %s.\n", x.out, x.key_file);
}
