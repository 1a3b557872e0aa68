/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /v1/machines/{name}/console */
#include "routes.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void on_console(struct request *req, sd_bus_message *reply) {
    const char *from = request_query(req, "from");
    int fds[2], console, log;
    uint64_t at = 0;
    struct stat st;

    if (sd_bus_message_read(reply, "hh", &fds[0], &fds[1]) < 0 || fstat(fds[1], &st) < 0 || !S_ISREG(st.st_mode)) {
        reply_errno(req, -EBADMSG);
        return;
    }
    if (from)
        (void)parse_event_id(from, &at);
    else
        at = (uint64_t)st.st_size;
    /* The message owns the others. */
    console = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
    log = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
    if (console >= 0 && log >= 0) {
        stream_console(req, log, console, at);
        return;
    }
    if (console >= 0)
        close(console);
    if (log >= 0)
        close(log);
    reply_errno(req, -EMFILE);
}

void console_get(struct request *req) {
    static const char *const known[] = {"from", NULL};
    const char *from = request_query(req, "from");
    sd_bus_message *m;
    uint64_t at;
    int r;

    if (request_check_query(req, known) < 0)
        return;
    if (from && parse_event_id(from, &at) < 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "from must be a number of octets");
        return;
    }
    if (request_call_new(req, "OpenConsole", &m) < 0)
        return;
    r = sd_bus_message_append(m, "s", req->params[0]);
    request_call(req, m, r, on_console);
}

void console_input(struct request *req) {
    int fd = stream_input(req, req->params[0], req->params[1]);
    ssize_t n;

    if (fd < 0) {
        reply_problem(req, PROBLEM_NOT_FOUND, "no stream of yours with this name is open; GET /v1/machines/%.64s/console opens one",
                      req->params[0]);
        return;
    }
    n = req->body_size ? send(fd, req->body, req->body_size, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN)
        reply_problem(req, PROBLEM_WRONG_STATE, "the machine has ended");
    else if (n < 0 || (size_t)n != req->body_size)
        reply_problem(req, PROBLEM_BUSY, "the console took %zd of %zu octets", n < 0 ? 0 : n, req->body_size);
    else
        reply_empty(req, MHD_HTTP_NO_CONTENT);
}
