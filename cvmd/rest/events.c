/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /v1/audit, /v1/events */
#include "events.h"

#include "mirror.h"
#include "routes.h"

#include "cvmd/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PAGE 500u
/* Bytes kept for a follower that does not read; what comes behind is read from the log again. */
#define BUFFER_MAX (256u << 10)
#define EVENTS_MAX 32u

static int read_entry(sd_bus_message *m, json_object *o, uint64_t *id, const char **event) {
    const char *source, *machine, *uuid, *text, *message, *who;
    uint64_t when, seq, arg;
    uint32_t reason;
    char time[RFC3339_MAX];
    json_object *args;
    int r;

    r = sd_bus_message_read(m, "ttssssusss", id, &when, &source, &machine, &uuid, event, &reason, &text, &message, &who);
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "t");
    if (r < 0)
        return r;
    json_object_object_add(o, "id", json_object_new_uint64(*id));
    json_object_object_add(o, "time", json_object_new_string(rfc3339_format(when, time)));
    json_object_object_add(o, "source", json_object_new_string(source));
    json_object_object_add(o, "event", json_object_new_string(*event));
    json_object_object_add(o, "machine", machine[0] ? json_object_new_string(machine) : NULL);
    json_object_object_add(o, "uuid", uuid[0] ? json_object_new_string(uuid) : NULL);
    json_object_object_add(o, "reason_code", json_object_new_uint64(reason));
    json_object_object_add(o, "reason", text[0] ? json_object_new_string(text) : NULL);
    json_object_object_add(o, "message", json_object_new_string(message));
    json_object_object_add(o, "who", who[0] ? json_object_new_string(who) : NULL);
    args = json_object_new_array();
    while ((r = sd_bus_message_read_basic(m, 't', &arg)) > 0)
        json_object_array_add(args, json_object_new_uint64(arg));
    json_object_object_add(o, "arguments", args);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r >= 0)
        r = sd_bus_message_read_basic(m, 't', &seq);
    json_object_object_add(o, "rootvisor_seq", seq ? json_object_new_uint64(seq) : NULL);
    return r;
}

int audit_entry_read(sd_bus_message *m, json_object **ret, uint64_t *id, const char **event) {
    _cleanup_json_ json_object *o = NULL;
    int r = sd_bus_message_enter_container(m, 'r', "ttssssusssatt");

    if (r <= 0)
        return r;
    o = json_object_new_object();
    r = o ? read_entry(m, o, id, event) : -ENOMEM;
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(o);
    return 1;
}

/* --- a page --- */

static void on_audit(struct request *req, sd_bus_message *reply) {
    json_object *o = json_object_new_object(), *list = json_object_new_array(), *entry;
    const char *event;
    uint64_t id, last;
    char key[24];
    int r, more;

    r = sd_bus_message_read(reply, "tb", &last, &more);
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', AUDIT_ENTRY);
    while (r >= 0 && (r = audit_entry_read(reply, &entry, &id, &event)) > 0)
        json_object_array_add(list, entry);
    json_object_object_add(o, "events", list);
    if (r < 0) {
        json_object_put(o);
        reply_errno(req, r);
        return;
    }
    snprintf(key, sizeof(key), "%" PRIu64, last);
    if (more) {
        _cleanup_free_ char *cursor = cursor_encode('a', key);

        json_object_object_add(o, "next", cursor ? json_object_new_string(cursor) : NULL);
    } else
        json_object_object_add(o, "next", NULL);
    reply_json(req, MHD_HTTP_OK, o);
}

static int append_events(sd_bus_message *m, uint64_t after, const char *machine, uint32_t limit) {
    return sd_bus_message_append(m, "tsu", after, machine ?: "", limit);
}

void audit_list(struct request *req) {
    static const char *const known[] = {"limit", "cursor", "after", "machine", NULL};
    const char *s = request_query(req, "after");
    char key[CURSOR_KEY_MAX + 1];
    sd_bus_message *m;
    uint64_t after = 0;
    uint32_t limit;
    bool present;
    int r;

    if (request_check_query(req, known) < 0 || request_limit(req, &limit) < 0 || request_cursor(req, 'a', key, &present) < 0)
        return;
    if ((present && parse_event_id(key, &after) < 0) || (!present && s && parse_event_id(s, &after) < 0)) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "after must be an event's number");
        return;
    }
    if (request_call_new(req, "Events", &m) < 0)
        return;
    r = append_events(m, after, request_query(req, "machine"), limit);
    request_call(req, m, r, on_audit);
}

/* --- the stream --- */

struct follower {
    struct follower *next;
    struct feed *feed;
    struct request *req;
    char *machine, *events[EVENTS_MAX];
    unsigned nr_events;
    uint64_t last; /* the newest event that is in the buffer, or passed over */
    char *buffer;
    size_t size, sent;
    sd_bus_slot *slot; /* reads the log by itself */
    bool behind;       /* not with the feed yet */
    bool again;        /* something came while it read */
    bool asleep;       /* suspended */
};

struct feed {
    struct feed *next;
    struct rest *rest;
    char *client;
    struct follower *followers;
    sd_bus_slot *slot;
    bool again;
    uint64_t last; /* what its followers that are not behind have */
};

static void follower_wake(struct follower *f) {
    if (!f->asleep)
        return;
    f->asleep = false;
    MHD_resume_connection(f->req->connection);
    server_kick(f->feed->rest);
}

static bool append(struct follower *f, const char *text, size_t size) {
    char *p;

    if (f->sent) {
        memmove(f->buffer, f->buffer + f->sent, f->size - f->sent);
        f->size -= f->sent;
        f->sent = 0;
    }
    if (f->size + size > BUFFER_MAX)
        return false;
    p = realloc(f->buffer, f->size + size);
    if (!p)
        return false;
    memcpy(p + f->size, text, size);
    f->buffer = p;
    f->size += size;
    return true;
}

static bool chosen(const struct follower *f, json_object *entry, const char *event) {
    json_object *machine = NULL;

    if (f->machine) {
        json_object_object_get_ex(entry, "machine", &machine);
        if (!machine || strcmp(json_object_get_string(machine), f->machine) != 0)
            return false;
    }
    for (unsigned i = 0; i < f->nr_events; i++)
        if (strcmp(f->events[i], event) == 0)
            return true;
    return f->nr_events == 0;
}

/* False: there is no room; the follower is behind now and its @last unchanged. */
static bool offer(struct follower *f, json_object *entry, const char *event, uint64_t id, const char *text, size_t size) {
    if (id <= f->last)
        return true;
    if (chosen(f, entry, event) && !append(f, text, size)) {
        f->behind = true;
        return false;
    }
    f->last = id;
    f->feed->rest->metrics.events++;
    return true;
}

/* An entry as an event; the caller frees. */
static char *event_text(json_object *entry, uint64_t id, const char *event, size_t *size) {
    char *text;
    int n = asprintf(&text, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", id, event,
                     json_object_to_json_string_ext(entry, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

    *size = n < 0 ? 0 : (size_t)n;
    return n < 0 ? NULL : text;
}

/* Reads an answer of Events(): calls @each with each entry until that says false. */
static int read_events(sd_bus_message *reply, uint64_t *last, int *more,
                       bool (*each)(void *userdata, json_object *entry, const char *event, uint64_t id, const char *text,
                                    size_t size),
                       void *userdata) {
    json_object *entry;
    const char *event;
    uint64_t id;
    bool go_on = true;
    int r;

    r = sd_bus_message_read(reply, "tb", last, more);
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', AUDIT_ENTRY);
    while (r >= 0 && go_on && (r = audit_entry_read(reply, &entry, &id, &event)) > 0) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        text = event_text(entry, id, event, &size);
        if (!text)
            r = -ENOMEM;
        else
            go_on = each(userdata, entry, event, id, text, size);
        json_object_put(entry);
    }
    return r < 0 ? r : go_on;
}

static int call_events(struct feed *feed, uint64_t after, sd_bus_message_handler_t handler, void *userdata, sd_bus_slot **slot) {
    _cleanup_message_ sd_bus_message *m = NULL;
    int r;

    r = sd_bus_message_new_method_call(feed->rest->bus, &m, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, "Events");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", feed->client);
    if (r >= 0)
        r = append_events(m, after, NULL, PAGE);
    if (r >= 0)
        r = sd_bus_call_async(feed->rest->bus, slot, m, handler, userdata, CALL_TIMEOUT_USEC);
    return r;
}

/* --- one that is behind --- */

static void catch_up(struct follower *f);

static bool offer_one(void *userdata, json_object *entry, const char *event, uint64_t id, const char *text, size_t size) {
    return offer(userdata, entry, event, id, text, size);
}

static int on_caught_up(sd_bus_message *reply, void *userdata, sd_bus_error *ret) {
    struct follower *f = userdata;
    uint64_t last;
    int r, more;

    (void)ret;
    f->slot = sd_bus_slot_unref(f->slot);
    if (sd_bus_message_is_method_error(reply, NULL))
        return 0; /* cvmd is away: the next wake-up goes on */
    r = read_events(reply, &last, &more, offer_one, f);
    follower_wake(f);
    if (r < 0)
        return 0;
    if (r == 0)
        return 0; /* full: goes on when it has been read */
    if (last > f->last)
        f->last = last;
    if (more || f->again)
        catch_up(f);
    else if (f->feed->last <= f->last) {
        /* The feed has nothing that this one lacks; what it has less, it will offer again and be refused. */
        f->behind = false;
    } else
        catch_up(f);
    return 0;
}

static void catch_up(struct follower *f) {
    f->again = f->slot;
    if (f->slot)
        return;
    if (call_events(f->feed, f->last, on_caught_up, f, &f->slot) < 0)
        log_warning("A follower of events has to wait: the bus cannot be used");
}

/* --- all of a client --- */

static void feed_read(struct feed *feed);

static bool offer_all(void *userdata, json_object *entry, const char *event, uint64_t id, const char *text, size_t size) {
    struct feed *feed = userdata;

    for (struct follower *f = feed->followers; f; f = f->next)
        if (!f->behind)
            (void)offer(f, entry, event, id, text, size);
    feed->last = id;
    return true;
}

static int on_feed(sd_bus_message *reply, void *userdata, sd_bus_error *ret) {
    struct feed *feed = userdata;
    uint64_t last;
    int r, more = 0;

    (void)ret;
    feed->slot = sd_bus_slot_unref(feed->slot);
    if (sd_bus_message_is_method_error(reply, NULL))
        return 0; /* cvmd is away; its coming wakes everybody */
    r = read_events(reply, &last, &more, offer_all, feed);
    if (r >= 0 && last > feed->last)
        feed->last = last;
    for (struct follower *f = feed->followers; f; f = f->next)
        if (!f->behind) {
            if (r >= 0 && feed->last > f->last)
                f->last = feed->last;
            follower_wake(f);
        }
    if (more || feed->again)
        feed_read(feed);
    return 0;
}

static void feed_read(struct feed *feed) {
    bool any = false;

    feed->again = feed->slot;
    if (feed->slot)
        return;
    for (struct follower *f = feed->followers; f && !any; f = f->next)
        any = !f->behind;
    if (any && call_events(feed, feed->last, on_feed, feed, &feed->slot) < 0)
        log_warning("Events have to wait: the bus cannot be used");
}

void events_wake(struct rest *rest) {
    for (struct feed *feed = rest->feeds; feed; feed = feed->next) {
        feed_read(feed);
        for (struct follower *f = feed->followers; f; f = f->next)
            if (f->behind)
                catch_up(f);
    }
}

void events_keep_alive(struct rest *rest) {
    for (struct feed *feed = rest->feeds; feed; feed = feed->next)
        for (struct follower *f = feed->followers; f; f = f->next) {
            if (f->size == f->sent)
                (void)append(f, ":\n\n", 3);
            follower_wake(f);
        }
}

void events_end(struct rest *rest) {
    for (struct feed *feed = rest->feeds; feed; feed = feed->next)
        for (struct follower *f = feed->followers; f; f = f->next)
            follower_wake(f);
}

static struct feed *feed_get(struct rest *rest, const char *client) {
    struct feed *feed;

    for (feed = rest->feeds; feed; feed = feed->next)
        if (strcmp(feed->client, client) == 0)
            return feed;
    feed = calloc(1, sizeof(*feed));
    if (!feed)
        return NULL;
    feed->rest = rest;
    feed->client = strdup(client);
    if (!feed->client) {
        free(feed);
        return NULL;
    }
    feed->next = rest->feeds;
    rest->feeds = feed;
    return feed;
}

static void feed_put(struct feed *feed) {
    struct feed **p = &feed->rest->feeds;

    if (feed->followers)
        return;
    while (*p != feed)
        p = &(*p)->next;
    *p = feed->next;
    sd_bus_slot_unref(feed->slot);
    free(feed->client);
    free(feed);
}

void follower_free(struct follower *f) {
    struct follower **p;

    if (!f)
        return;
    if (f->feed) {
        for (p = &f->feed->followers; *p != f; p = &(*p)->next)
            ;
        *p = f->next;
        f->feed->rest->nr_followers--;
        feed_put(f->feed);
    }
    sd_bus_slot_unref(f->slot);
    for (unsigned i = 0; i < f->nr_events; i++)
        free(f->events[i]);
    free(f->machine);
    free(f->buffer);
    free(f);
}

static ssize_t on_read(void *cls, uint64_t pos, char *buf, size_t max) {
    struct follower *f = cls;
    size_t n = f->size - f->sent;

    (void)pos;
    if (f->feed->rest->stopping && n == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        if (f->behind && !f->slot)
            catch_up(f); /* there is room again */
        if (!f->asleep) {
            f->asleep = true;
            MHD_suspend_connection(f->req->connection);
        }
        return 0;
    }
    if (n > max)
        n = max;
    memcpy(buf, f->buffer + f->sent, n);
    f->sent += n;
    if (f->sent == f->size)
        f->sent = f->size = 0;
    return (ssize_t)n;
}

static int choose_events(struct follower *f, const char *s) {
    while (s && *s) {
        size_t n = strcspn(s, ",");

        if (n == 0 || f->nr_events == EVENTS_MAX)
            return -EINVAL;
        f->events[f->nr_events] = strndup(s, n);
        if (!f->events[f->nr_events])
            return -ENOMEM;
        f->nr_events++;
        s += n + (s[n] == ',');
    }
    return 0;
}

/* Whether cvmd lets this client read, and where the log ends. */
static void on_allowed(struct request *req, sd_bus_message *reply) {
    const char *last = request_header(req, "Last-Event-ID") ?: request_query(req, "after");
    struct follower *f = req->follower;
    struct MHD_Response *response;
    uint64_t end;
    int more;

    if (sd_bus_message_read(reply, "tb", &end, &more) < 0) {
        reply_errno(req, -EBADMSG);
        return;
    }
    f->last = end;
    if (last)
        (void)parse_event_id(last, &f->last);
    f->feed = feed_get(req->rest, req->peer->access->id);
    response = f->feed ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, on_read, f, NULL) : NULL;
    if (!response) {
        f->feed = NULL;
        reply_errno(req, -ENOMEM);
        return;
    }
    f->next = f->feed->followers;
    f->feed->followers = f;
    req->rest->nr_followers++;
    f->behind = true;
    (void)append(f, ":\n\n", 3); /* the fields go out at once */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    reply_response(req, MHD_HTTP_OK, response);
    catch_up(f);
}

void events_stream(struct request *req) {
    static const char *const known[] = {"after", "machine", "event", NULL};
    const char *last = request_header(req, "Last-Event-ID") ?: request_query(req, "after");
    const char *machine = request_query(req, "machine");
    struct follower *f;
    sd_bus_message *m;
    uint64_t id;
    int r;

    if (request_check_query(req, known) < 0)
        return;
    if (last && parse_event_id(last, &id) < 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "Last-Event-ID and after must be an event's number");
        return;
    }
    if (req->rest->nr_followers >= req->rest->limits.followers) {
        reply_problem(req, PROBLEM_TOO_MANY_REQUESTS, "%u clients follow events already", req->rest->nr_followers);
        return;
    }
    f = calloc(1, sizeof(*f));
    if (!f) {
        reply_errno(req, -ENOMEM);
        return;
    }
    follower_free(req->follower);
    req->follower = f;
    f->req = req;
    if (choose_events(f, request_query(req, "event")) < 0 || (machine && !(f->machine = strdup(machine)))) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "event takes up to %u names with commas between", EVENTS_MAX);
        return;
    }
    if (request_call_new(req, "Events", &m) < 0)
        return;
    r = append_events(m, UINT64_MAX, NULL, 1);
    request_call(req, m, r, on_allowed);
}
