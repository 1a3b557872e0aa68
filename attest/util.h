/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small helpers of libcvmattest: errors with text, clean-up attributes, encodings, files.
 */
#ifndef CVM_ATTEST_UTIL_H
#define CVM_ATTEST_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#ifndef ELEMENTSOF
#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#endif

#define CVM_DEFINE_CLEANUP(type, func)                                                                       \
    static inline void func##p(type *p) {                                                                    \
        if (*p)                                                                                              \
            func(*p);                                                                                        \
    }

#ifndef _cleanup_
#define _cleanup_(f) __attribute__((__cleanup__(f)))
#endif

static inline void cvm_freep(void *p) {
    free(*(void **)p);
}
#define _cleanup_cvm_free_ _cleanup_(cvm_freep)

/* What went wrong, for people. Filled only when a function fails. */
struct cvm_error {
    char text[384];
};

/**
 * cvm_error_set - write the text of an error
 * @e:   may be NULL: then nothing is written
 * @r:   negative errno to hand on
 * @fmt: printf format; the text names what is wrong, without a final full stop or newline;
 *       control characters in what it quotes become '?'
 *
 * Returns @r.
 */
int cvm_error_set(struct cvm_error *e, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/**
 * cvm_defang - take the control characters out of a text that may hold untrusted parts
 *
 * A terminal must not be steered by what an error quotes. Changes @text in place and returns it.
 */
char *cvm_defang(char *text);

/* Bytes of the UTF-8 character at @s in a string that ends with NUL, 0 if there is none (RFC 3629, section 4). */
size_t cvm_utf8_size(const uint8_t *s);

/**
 * cvm_hex_encode - lower-case hexadecimal
 * @p, @size: bytes
 * @out:      2 * @size + 1 bytes, NUL-terminated
 *
 * Returns @out.
 */
char *cvm_hex_encode(const void *p, size_t size, char *out);

/**
 * cvm_hex_decode - strict hexadecimal, either case, no separators
 * @s, @len: text
 * @out:     exactly @size bytes
 *
 * Returns 0; -EINVAL if @len is not 2 * @size or a character is no hexadecimal digit.
 */
int cvm_hex_decode(const char *s, size_t len, void *out, size_t size);

#define CVM_BASE64URL_LEN(n) (((n)*4 + 2) / 3)

/**
 * cvm_base64url_encode - RFC 4648 section 5, without padding
 *
 * Returns a new NUL-terminated string that the caller frees, NULL if out of memory.
 */
char *cvm_base64url_encode(const void *p, size_t size);

/**
 * cvm_base64url_decode - RFC 4648 section 5, no padding, no white space, canonical
 * @s, @len: text
 * @out:     room for @max bytes
 * @ret:     bytes written
 *
 * Returns 0; -EINVAL for a foreign character, an impossible length or set bits behind the
 * end; -ENOBUFS if more than @max bytes would come out.
 */
int cvm_base64url_decode(const char *s, size_t len, void *out, size_t max, size_t *ret);

/**
 * cvm_read_file - whole file into new memory
 * @path: "-" means standard input
 * @max:  bytes; a longer file is refused
 * @ret:  bytes with one NUL behind them; the caller frees
 * @size: without that NUL
 *
 * Returns 0; -EFBIG if longer than @max; -EISDIR; another negative errno of open or read.
 */
int cvm_read_file(const char *path, size_t max, void **ret, size_t *size, struct cvm_error *e);

/**
 * cvm_write_all - all of it, over interrupts and short writes
 * @size: bytes
 *
 * Returns 0 or the negative errno of write.
 */
int cvm_write_all(int fd, const void *buf, size_t size);

/**
 * cvm_write_file - create or replace a file atomically (rename)
 * @path: "-" means standard output
 *
 * Returns 0 or a negative errno.
 */
int cvm_write_file(const char *path, const void *p, size_t size, struct cvm_error *e);
/* The same, readable by the owner alone (0600), and on the disk, name and all, when it returns. */
int cvm_write_secret_file(const char *path, const void *p, size_t size, struct cvm_error *e);

/* Brings the names in the folder of a file to the disk: the file's own sync does not. Returns 0 or a negative errno. */
int cvm_sync_folder(const char *path, struct cvm_error *e);

/* Where a name stands in a table of @nr, or -EINVAL. */
int cvm_name_index(const char *const *names, size_t nr, const char *name);

#endif
