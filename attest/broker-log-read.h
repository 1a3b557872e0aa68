/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a broker's log, line by line: every signature, and the chain. Another process may be writing it. */
#ifndef CVM_ATTEST_BROKER_LOG_READ_H
#define CVM_ATTEST_BROKER_LOG_READ_H

#include <json-c/json.h>
#include <stdbool.h>
#include <sys/types.h>

#include "util.h"

struct cvm_broker_log_reader {
    char *path;
    int fd;
    uint8_t point[65];
    uint64_t next;    /* sequence number of the line to come */
    uint8_t head[32]; /* SHA-256 of the one before */
    off_t read;       /* bytes of the file that were read */
    char *buf;        /* what was read and is no line yet begins at @at and has @size bytes */
    size_t at, size, room;
};

/**
 * cvm_broker_log_open - begin with the first line
 * @point: public key that signed the log, 65 bytes
 * @ret:   filled; cvm_broker_log_close() also after a failure
 *
 * Returns 0, or what opening a file returns.
 */
int cvm_broker_log_open(const char *path, const uint8_t *point, struct cvm_broker_log_reader *ret, struct cvm_error *e);
void cvm_broker_log_close(struct cvm_broker_log_reader *r);

/**
 * cvm_broker_log_next - the next event
 * @ret: the caller puts it
 *
 * Returns 1; 0: no whole line is there, now; -EBADMSG with the line's number in @e: its signature or the chain does not hold, or
 * the file became shorter; -ENOMEM; what reading returns.
 */
int cvm_broker_log_next(struct cvm_broker_log_reader *r, json_object **ret, struct cvm_error *e);

/**
 * cvm_broker_log_verify - all of them
 * @line: called with each event, may be NULL
 *
 * Returns 0; -EBADMSG with the line's number in @e, also for a last line without its end.
 */
int cvm_broker_log_verify(const char *path, const uint8_t *point, void (*line)(void *data, json_object *event),
                          void *data, uint64_t *next, uint8_t *head, struct cvm_error *e);

#endif
