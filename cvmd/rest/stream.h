/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers whose bytes come from a descriptor while they come: a console, an export of the audit log. Neither reads
 * faster than its client does.
 */
#ifndef CVMD_REST_STREAM_H
#define CVMD_REST_STREAM_H

#include "request.h"

struct stream;

/* What a pipe gives, to its end. Takes @fd. Answers the request. */
void stream_pipe(struct request *req, int fd, const char *type);

/**
 * stream_console - what a machine printed from octet @from on, and prints, until it ends
 * @log: regular file that grows
 * @console: socket: readable when something was printed, at its end when the machine ends
 *
 * Takes both descriptors. Answers the request; the answer's field Console-Input names where input goes.
 */
void stream_console(struct request *req, int log, int console, uint64_t from);

/* The console socket of a stream of this request's client, by machine and id; -1: there is none. */
int stream_input(struct request *req, const char *machine, const char *id);

void stream_free(struct stream *s);
/* The gateway ends: so do all streams. */
void streams_end(struct rest *rest);

#endif
