/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include "routes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* The terminal tells of a byte before the file has it: the file is looked at again. */
#define LOOK_USEC 100000u
#define BLOCK_SIZE 16384u

struct stream {
    struct stream *next;
    struct request *req;
    int fd;       /* what is sent */
    int console;  /* -1: a pipe is sent */
    uint64_t at;  /* in the file */
    char id[33];
    sd_event_source *source, *timer;
    bool asleep;  /* suspended */
    bool gone;    /* the client is */
    bool ended;   /* the machine has: what the file has now is all */
};

static void wake(struct stream *s) {
    if (!s->asleep)
        return;
    s->asleep = false;
    MHD_resume_connection(s->req->connection);
    server_kick(s->req->rest);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
    struct stream *s = userdata;
    char waste[4096];
    ssize_t n;

    (void)revents;
    if (s->console >= 0) {
        n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            s->ended = true;
            (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        }
    } else
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* until the pipe is empty again */
    wake(s);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
    struct stream *s = userdata;
    struct pollfd p = {.fd = s->req->peer->fd, .events = POLLRDHUP};

    (void)source;
    (void)usec;
    /* libmicrohttpd notices only when it has something to send. */
    s->gone = poll(&p, 1, 0) > 0;
    wake(s);
    return 0;
}

/* Until something comes. */
static ssize_t sleep_on(struct stream *s) {
    int r;

    if (s->console < 0)
        r = sd_event_source_set_enabled(s->source, SD_EVENT_ON);
    else if (!s->timer)
        r = sd_event_add_time_relative(s->req->rest->event, &s->timer, CLOCK_MONOTONIC, LOOK_USEC, 0, on_timer, s);
    else {
        r = sd_event_source_set_time_relative(s->timer, LOOK_USEC);
        if (r >= 0)
            r = sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
    }
    if (r < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (!s->asleep) {
        s->asleep = true;
        MHD_suspend_connection(s->req->connection);
    }
    return 0;
}

static ssize_t on_read(void *cls, uint64_t pos, char *buf, size_t max) {
    struct stream *s = cls;
    bool ended = s->ended; /* before the file was read */
    ssize_t n;

    (void)pos;
    if (s->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = s->console < 0 ? read(s->fd, buf, max) : pread(s->fd, buf, max, (off_t)s->at);
    if (n > 0) {
        s->at += (uint64_t)n;
        return n;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if ((n == 0 && s->console < 0) || ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    /* Cut, not ended: the client is to know. */
    return s->req->rest->stopping ? MHD_CONTENT_READER_END_WITH_ERROR : sleep_on(s);
}

static struct stream *stream_new(struct request *req, int fd, int console) {
    struct stream *s = calloc(1, sizeof(*s));
    uint8_t id[16];

    if (!s) {
        close(fd);
        if (console >= 0)
            close(console);
        return NULL;
    }
    s->req = req;
    s->fd = fd;
    s->console = console;
    s->next = req->rest->streams;
    req->rest->streams = s;
    req->stream = s;
    if (getrandom(id, sizeof(id), 0) != sizeof(id) || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        sd_event_add_io(req->rest->event, &s->source, console < 0 ? fd : console, EPOLLIN, on_readable, s) < 0)
        return NULL; /* freed with its request */
    cvm_hex_encode(id, sizeof(id), s->id);
    return s;
}

static void answer(struct request *req, struct stream *s, const char *type, const char *input) {
    struct MHD_Response *response = s ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read, s, NULL) : NULL;

    if (!response) {
        reply_errno(req, -ENOMEM);
        return;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (input)
        MHD_add_response_header(response, "Console-Input", input);
    reply_response(req, MHD_HTTP_OK, response);
}

void stream_pipe(struct request *req, int fd, const char *type) {
    answer(req, stream_new(req, fd, -1), type, NULL);
}

void stream_console(struct request *req, int log, int console, uint64_t from) {
    struct stream *s = stream_new(req, log, console);
    char input[128];

    if (s) {
        s->at = from;
        snprintf(input, sizeof(input), "/v1/machines/%s/console/%s", req->params[0], s->id);
    }
    answer(req, s, "application/octet-stream", input);
}

int stream_input(struct request *req, const char *machine, const char *id) {
    for (struct stream *s = req->rest->streams; s; s = s->next)
        if (s->console >= 0 && !s->ended && strcmp(s->id, id) == 0 && strcmp(s->req->params[0], machine) == 0 &&
            s->req->peer->access == req->peer->access)
            return s->console;
    return -1;
}

void stream_free(struct stream *s) {
    struct stream **p;

    if (!s)
        return;
    for (p = &s->req->rest->streams; *p != s; p = &(*p)->next)
        ;
    *p = s->next;
    sd_event_source_disable_unref(s->source);
    sd_event_source_disable_unref(s->timer);
    close(s->fd);
    if (s->console >= 0)
        close(s->console);
    free(s);
}

void streams_end(struct rest *rest) {
    for (struct stream *s = rest->streams; s; s = s->next)
        wake(s);
}
