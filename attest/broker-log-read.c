/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-log-read.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker-store.h"
#include "json.h"
#include "jws.h"

#define LINE_SIZE_MAX (1u << 20)
#define CHUNK 65536u
#define CUT_TRIES 10u
#define CUT_MSEC 50

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

int cvm_broker_log_open(const char *path, const uint8_t *point, struct cvm_broker_log_reader *ret, struct cvm_error *e) {
    *ret = (struct cvm_broker_log_reader){.fd = -1, .next = 1};
    memcpy(ret->point, point, sizeof(ret->point));
    ret->path = strdup(path);
    if (!ret->path)
        return -ENOMEM;
    ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return ret->fd < 0 ? cvm_error_set(e, -errno, "cannot open '%s': %s", path, strerror(errno)) : 0;
}

void cvm_broker_log_close(struct cvm_broker_log_reader *l) {
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    free(l->buf);
}

static int check_line(const char *line, size_t size, const struct cvm_broker_log_reader *l, json_object **ret, struct cvm_error *e) {
    _cleanup_cvm_free_ void *text = NULL;
    uint8_t previous[32];
    uint64_t said = 0;
    size_t n = 0;
    int r;

    r = cvm_jws_verify(line, size, l->point, CVM_BROKER_LOG_TYPE, &text, &n, e);
    if (r == 0)
        r = cvm_json_parse(text, n, ret, e);
    if (r == 0)
        r = cvm_json_uint(*ret, "seq", INT64_MAX, &said, e);
    if (r == 0)
        r = cvm_json_hex(*ret, "previous", previous, sizeof(previous), e);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    if (said != l->next)
        return cvm_error_set(e, -EBADMSG, "it says that it is line %llu", (unsigned long long)said);
    if (memcmp(previous, l->head, sizeof(previous)))
        return cvm_error_set(e, -EBADMSG, "it does not follow the line before");
    return 0;
}

/* More of the file, behind what is there. 1; 0: there is no more. */
static int read_more(struct cvm_broker_log_reader *l, struct cvm_error *e) {
    struct stat st;
    ssize_t n;

    if (l->size >= LINE_SIZE_MAX)
        return cvm_error_set(e, -EBADMSG, "'%s', line %llu: it is too long", l->path, (unsigned long long)l->next);
    if (l->at)
        memmove(l->buf, l->buf + l->at, l->size);
    l->at = 0;
    if (l->room - l->size < CHUNK) {
        char *p = realloc(l->buf, l->size + CHUNK);

        if (!p)
            return -ENOMEM;
        l->buf = p;
        l->room = l->size + CHUNK;
    }
    do
        n = read(l->fd, l->buf + l->size, CHUNK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return cvm_error_set(e, -errno, "cannot read '%s': %s", l->path, strerror(errno));
    l->size += (size_t)n;
    l->read += n;
    if (n == 0 && fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < l->read)
        return cvm_error_set(e, -EBADMSG, "'%s' was cut while it was read", l->path);
    return n > 0;
}

int cvm_broker_log_next(struct cvm_broker_log_reader *l, json_object **ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    struct cvm_error why = {""};
    const char *line, *end = NULL;
    size_t seen = 0, n;
    int r;

    for (;;) {
        if (l->size > seen)
            end = memchr(l->buf + l->at + seen, '\n', l->size - seen);
        if (end)
            break;
        seen = l->size;
        r = read_more(l, e);
        if (r <= 0)
            return r;
    }
    line = l->buf + l->at;
    n = (size_t)(end - line);
    r = check_line(line, n, l, &o, &why);
    if (r < 0)
        return cvm_error_set(e, r, "'%s', line %llu: %.200s", l->path, (unsigned long long)l->next, why.text);
    if (EVP_Digest(line, n, l->head, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    l->at += n + 1;
    l->size -= n + 1;
    l->next++;
    *ret = o;
    o = NULL;
    return 1;
}

/* A last line without its end may be one that a broker is just writing: it is given a moment. */
static int next_patiently(struct cvm_broker_log_reader *l, json_object **ret, struct cvm_error *e) {
    const struct timespec moment = {.tv_nsec = CUT_MSEC * 1000000L};

    for (unsigned tries = CUT_TRIES;; tries--) {
        int r = cvm_broker_log_next(l, ret, e);

        if (r != 0 || !l->size)
            return r;
        if (!tries)
            return cvm_error_set(e, -EBADMSG, "'%s', line %llu: cut short", l->path, (unsigned long long)l->next);
        nanosleep(&moment, NULL);
    }
}

int cvm_broker_log_verify(const char *path, const uint8_t *point, void (*line)(void *data, json_object *event),
                          void *data, uint64_t *next, uint8_t *head, struct cvm_error *e) {
    struct cvm_broker_log_reader l;
    int r;

    r = cvm_broker_log_open(path, point, &l, e);
    while (r >= 0) {
        _cleanup_(json_object_putp) json_object *o = NULL;

        r = next_patiently(&l, &o, e);
        if (r <= 0)
            break;
        if (line)
            line(data, o);
    }
    *next = l.next;
    memcpy(head, l.head, sizeof(l.head));
    cvm_broker_log_close(&l);
    return r;
}
