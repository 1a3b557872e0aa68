/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mirror.h"

#include "events.h"
#include "fields.h"

#include "cvmd/log.h"

#include <errno.h>
#include <string.h>

#define RETRY_USEC 500000u
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

struct collection {
    struct object **objects; /* sorted by key */
    size_t n, room;
};

struct mirror {
    struct rest *rest;
    struct collection all[CLASS_MAX];
    sd_bus_slot *load;
    sd_event_source *retry;
    struct waitlist *waiting; /* for the first, or the next, reading of everything */
    bool ready;
};

static const struct {
    const char *interface, *prefix;
    const struct field *fields;
} classes[CLASS_MAX] = {
    [CLASS_MACHINE] = {"org.cvmd1.Machine", "/org/cvmd1/machine", machine_fields},
    [CLASS_IMAGE] = {"org.cvmd1.Image", "/org/cvmd1/image", image_fields},
    [CLASS_OPERATION] = {"org.cvmd1.Operation", "/org/cvmd1/operation", operation_fields},
};

static void object_free(struct object *o) {
    waitlist_wake(&o->waiting);
    json_object_put(o->json);
    shared_unref(o->response);
    free(o->text);
    free(o->key);
    free(o->path);
    free(o);
}

/* Index of @key, or where it would be. */
static size_t position(const struct collection *c, const char *key, bool *found) {
    size_t lo = 0, hi = c->n;

    *found = false;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int d = strcmp(c->objects[mid]->key, key);

        if (d == 0) {
            *found = true;
            return mid;
        }
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct object *find(struct mirror *m, enum class class, const char *key) {
    bool found;
    size_t i = position(&m->all[class], key, &found);

    return found ? m->all[class].objects[i] : NULL;
}

/* The class and key of an object path: CLASS_MAX if it is none of ours. */
static enum class parse_path(const char *path, char **key) {
    for (enum class c = 0; c < CLASS_MAX; c++)
        if (sd_bus_path_decode(path, classes[c].prefix, key) > 0)
            return c;
    return CLASS_MAX;
}

static void remove_object(struct mirror *m, enum class class, const char *key) {
    struct collection *c = &m->all[class];
    bool found;
    size_t i = position(c, key, &found);
    struct object *o;

    if (!found)
        return;
    o = c->objects[i];
    memmove(c->objects + i, c->objects + i + 1, (c->n - i - 1) * sizeof(*c->objects));
    c->n--;
    object_free(o);
}

static struct object *add_object(struct mirror *m, enum class class, const char *key, const char *path) {
    struct collection *c = &m->all[class];
    struct object *o;
    bool found;
    size_t i = position(c, key, &found);

    if (found)
        return c->objects[i];
    if (c->n == c->room) {
        size_t room = c->room ? 2 * c->room : 64;
        struct object **p = reallocarray(c->objects, room, sizeof(*p));

        if (!p)
            return NULL;
        c->objects = p;
        c->room = room;
    }
    o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->key = strdup(key);
    o->path = strdup(path);
    o->dirty = true;
    if (!o->key || !o->path) {
        object_free(o);
        return NULL;
    }
    memmove(c->objects + i + 1, c->objects + i, (c->n - i) * sizeof(*c->objects));
    c->objects[i] = o;
    c->n++;
    return o;
}

/* Properties from a message; what is ready to be sent is made at once. */
static int fill(struct object *o, enum class class, sd_bus_message *m) {
    struct MHD_Response *response;
    json_object *json;
    const char *text;
    char etag[ETAG_MAX];
    uint64_t revision = 0;
    size_t size;
    int r = fields_read(m, classes[class].fields, &json, &revision);

    if (r < 0)
        return r;
    text = json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
    shared_unref(TAKE_PTR(o->response));
    json_object_put(o->json);
    free(o->text);
    o->json = json;
    o->text = text ? strdup(text) : NULL;
    o->size = o->text ? size : 0;
    o->revision = revision;
    if (!o->text)
        return -ENOMEM;
    o->response = calloc(1, sizeof(*o->response));
    response = o->response ? MHD_create_response_from_buffer(size, o->text, MHD_RESPMEM_MUST_COPY) : NULL;
    if (!response) {
        free(TAKE_PTR(o->response));
        return -ENOMEM;
    }
    *o->response = (struct shared){.response = response, .refs = 1};
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (class == CLASS_MACHINE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag_format(revision, etag));
    o->dirty = false;
    return 0;
}

/* --- one object --- */

struct refresh {
    struct mirror *mirror;
    enum class class;
    char *key;
    unsigned generation;
};

static void refresh_free(struct refresh *r) {
    free(r->key);
    free(r);
}

static int on_object(sd_bus_message *reply, void *userdata, sd_bus_error *ret) {
    struct refresh *f = userdata;
    struct object *o = find(f->mirror, f->class, f->key);
    struct waitlist *waiting;

    (void)ret;
    if (!o || !o->loading) { /* gone, or another of the same name */
        refresh_free(f);
        return 0;
    }
    o->loading = false;
    if (sd_bus_message_is_method_error(reply, NULL)) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE)) {
            remove_object(f->mirror, f->class, f->key);
            refresh_free(f);
            return 0;
        }
        log_warning("cvmd does not tell about %s: %s", o->path, error->message);
    } else if (fill(o, f->class, reply) >= 0)
        o->dirty = f->generation != o->generation;
    refresh_free(f);
    waiting = TAKE_PTR(o->waiting);
    waitlist_wake(&waiting);
    return 0;
}

static int refresh(struct mirror *m, enum class class, struct object *o) {
    struct refresh *f;
    int r;

    if (o->loading)
        return 0;
    f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    *f = (struct refresh){.mirror = m, .class = class, .key = strdup(o->key), .generation = o->generation};
    r = f->key ? sd_bus_call_method_async(m->rest->bus, NULL, CVMD_NAME, o->path, PROPERTIES, "GetAll", on_object, f, "s",
                                          classes[class].interface)
               : -ENOMEM;
    if (r < 0) {
        refresh_free(f);
        return r;
    }
    o->loading = true;
    return 0;
}

/* --- everything --- */

static void load(struct mirror *m);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
    (void)source;
    (void)usec;
    load(userdata);
    return 0;
}

static void load_later(struct mirror *m) {
    (void)sd_event_source_set_time_relative(m->retry, RETRY_USEC);
    (void)sd_event_source_set_enabled(m->retry, SD_EVENT_ONESHOT);
}

/* Who waits for an object waits for the next reading of everything: until then it is not known whether it is there. */
static void clear(struct mirror *m) {
    struct waitlist **end = &m->waiting;

    for (enum class c = 0; c < CLASS_MAX; c++) {
        struct collection old = m->all[c];

        m->all[c] = (struct collection){0};
        for (size_t i = 0; i < old.n; i++) {
            while (*end)
                end = &(*end)->next;
            *end = TAKE_PTR(old.objects[i]->waiting);
            object_free(old.objects[i]);
        }
        free(old.objects);
    }
}

/* The interfaces of one object: a{sa{sv}}. */
static int read_interfaces(struct mirror *m, const char *path, sd_bus_message *msg) {
    _cleanup_free_ char *key = NULL;
    enum class class = parse_path(path, &key);
    int r = sd_bus_message_enter_container(msg, 'a', "{sa{sv}}");

    while (r >= 0 && (r = sd_bus_message_enter_container(msg, 'e', "sa{sv}")) > 0) {
        const char *interface;

        r = sd_bus_message_read_basic(msg, 's', &interface);
        if (r < 0)
            return r;
        if (class != CLASS_MAX && strcmp(interface, classes[class].interface) == 0) {
            struct object *o = add_object(m, class, key, path);

            if (!o)
                return -ENOMEM;
            o->generation++;
            r = fill(o, class, msg);
        } else
            r = sd_bus_message_skip(msg, "a{sv}");
        if (r >= 0)
            r = sd_bus_message_exit_container(msg);
    }
    return r < 0 ? r : sd_bus_message_exit_container(msg);
}

static int read_objects(struct mirror *m, sd_bus_message *reply) {
    int r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");

    while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
        const char *path;

        r = sd_bus_message_read_basic(reply, 'o', &path);
        if (r >= 0)
            r = read_interfaces(m, path, reply);
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
    }
    return r;
}

static int on_objects(sd_bus_message *reply, void *userdata, sd_bus_error *ret) {
    struct mirror *m = userdata;
    struct waitlist *waiting;
    int r = -EIO;

    (void)ret;
    m->load = sd_bus_slot_unref(m->load);
    clear(m);
    if (!sd_bus_message_is_method_error(reply, NULL))
        r = read_objects(m, reply);
    if (r < 0) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        log_warning("cvmd does not tell its objects: %s", error ? error->message : strerror(-r));
        load_later(m);
    }
    m->ready = r >= 0;
    waiting = TAKE_PTR(m->waiting);
    waitlist_wake(&waiting);
    if (m->ready)
        events_wake(m->rest);
    return 0;
}

static void load(struct mirror *m) {
    int r;

    if (m->load)
        return;
    /* What was to be tried again is tried now. */
    (void)sd_event_source_set_enabled(m->retry, SD_EVENT_OFF);
    r = sd_bus_call_method_async(m->rest->bus, &m->load, CVMD_NAME, CVMD_PATH, OBJECT_MANAGER, "GetManagedObjects",
                                 on_objects, m, NULL);
    if (r < 0) {
        log_error("The bus cannot be used: %s", strerror(-r));
        load_later(m);
    }
}

/* --- signals --- */

/* Which machines use an image: cvmd sends no signal of it. */
static void users_changed(struct mirror *m) {
    struct collection *c = &m->all[CLASS_IMAGE];

    for (size_t i = 0; i < c->n; i++) {
        c->objects[i]->dirty = true;
        c->objects[i]->generation++;
    }
}

static int on_changed(sd_bus_message *msg, void *userdata, sd_bus_error *ret) {
    struct mirror *m = userdata;
    _cleanup_free_ char *key = NULL;
    enum class class = parse_path(sd_bus_message_get_path(msg), &key);
    struct object *o = class == CLASS_MAX ? NULL : find(m, class, key);

    (void)ret;
    if (o) {
        o->dirty = true;
        o->generation++;
    }
    if (class == CLASS_MACHINE)
        users_changed(m);
    return 0;
}

static int on_added(sd_bus_message *msg, void *userdata, sd_bus_error *ret) {
    struct mirror *m = userdata;
    const char *path;

    (void)ret;
    if (sd_bus_message_read_basic(msg, 'o', &path) >= 0 && read_interfaces(m, path, msg) < 0)
        load(m);
    users_changed(m);
    return 0;
}

static int on_removed(sd_bus_message *msg, void *userdata, sd_bus_error *ret) {
    struct mirror *m = userdata;
    _cleanup_free_ char *key = NULL;
    const char *path;
    enum class class;

    (void)ret;
    if (sd_bus_message_read_basic(msg, 'o', &path) < 0)
        return 0;
    class = parse_path(path, &key);
    if (class != CLASS_MAX)
        remove_object(m, class, key);
    if (class == CLASS_MACHINE)
        users_changed(m);
    return 0;
}

/* cvmd ended, or another one began: nothing that is known counts any more. */
static int on_owner(sd_bus_message *msg, void *userdata, sd_bus_error *ret) {
    struct mirror *m = userdata;
    const char *name, *old, *new;

    (void)ret;
    if (sd_bus_message_read(msg, "sss", &name, &old, &new) < 0)
        return 0;
    m->ready = false;
    m->load = sd_bus_slot_unref(m->load);
    access_forget(m->rest);
    if (new[0])
        load(m);
    else
        load_later(m);
    return 0;
}

static int watch(struct mirror *m) {
    sd_bus *bus = m->rest->bus;
    int r;

    r = sd_bus_add_match_async(bus, NULL,
                               "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                               "member='NameOwnerChanged',arg0='" CVMD_NAME "'",
                               on_owner, NULL, m);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus, NULL, CVMD_NAME, NULL, PROPERTIES, "PropertiesChanged", on_changed, NULL, m);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus, NULL, CVMD_NAME, NULL, OBJECT_MANAGER, "InterfacesAdded", on_added, NULL, m);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus, NULL, CVMD_NAME, NULL, OBJECT_MANAGER, "InterfacesRemoved", on_removed, NULL, m);
    return r;
}

int mirror_new(struct rest *rest) {
    struct mirror *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return -ENOMEM;
    m->rest = rest;
    rest->mirror = m;
    r = sd_event_add_time_relative(rest->event, &m->retry, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, m);
    if (r >= 0)
        r = sd_event_source_set_enabled(m->retry, SD_EVENT_OFF);
    if (r >= 0)
        r = watch(m);
    if (r >= 0)
        load(m);
    return r;
}

void mirror_free(struct mirror *m) {
    if (!m)
        return;
    sd_bus_slot_unref(m->load);
    sd_event_source_disable_unref(m->retry);
    clear(m);
    free(m);
}

bool mirror_ready(const struct mirror *m) {
    return m->ready;
}

size_t mirror_count(const struct mirror *m, enum class c) {
    return m->all[c].n;
}

/* --- for requests --- */

int mirror_need(struct request *req) {
    struct mirror *m = req->rest->mirror;

    if (m->ready)
        return 1;
    if (!m->load) {
        reply_problem(req, PROBLEM_UNAVAILABLE, "cvmd does not answer");
        return 0;
    }
    (void)request_wait(req, &m->waiting);
    return 0;
}

int mirror_get(struct request *req, enum class c, const char *key, struct object **ret) {
    struct mirror *m = req->rest->mirror;
    struct object *o;
    int r;

    if (mirror_need(req) == 0)
        return 0;
    o = find(m, c, key);
    if (!o)
        return -ENOENT;
    if (o->dirty) {
        r = refresh(m, c, o);
        if (r < 0)
            reply_errno(req, r);
        else
            (void)request_wait(req, &o->waiting);
        return 0;
    }
    *ret = o;
    return 1;
}

void mirror_each(struct mirror *m, enum class c, void (*fn)(void *userdata, json_object *o), void *userdata) {
    for (size_t i = 0; i < m->all[c].n; i++)
        if (m->all[c].objects[i]->json)
            fn(userdata, m->all[c].objects[i]->json);
}

struct page {
    struct object *objects[LIMIT_MAX];
    uint32_t n;
    bool more;
};

/* Objects that wait for a refresh are taken in: whether they count is known after it. Returns the last of them. */
static struct object *collect(struct request *req, enum class c, uint32_t limit, const char *after,
                              bool (*wanted)(struct request *req, json_object *o), struct page *p) {
    struct mirror *m = req->rest->mirror;
    struct collection *all = &m->all[c];
    struct object *dirty = NULL;
    bool found;
    size_t i = after ? position(all, after, &found) : 0;

    if (after && i < all->n && strcmp(all->objects[i]->key, after) == 0)
        i++;
    p->n = 0;
    p->more = false;
    for (; i < all->n; i++) {
        struct object *o = all->objects[i];

        if (o->dirty) {
            if (refresh(m, c, o) >= 0)
                dirty = o;
        } else if (!wanted(req, o->json))
            continue;
        if (p->n == limit) {
            p->more = true;
            break;
        }
        p->objects[p->n++] = o;
    }
    return dirty;
}

static struct MHD_Response *render(const char *name, const struct page *p, char kind) {
    _cleanup_free_ char *cursor = NULL;
    struct MHD_Response *response;
    char *buf = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&buf, &size);
    bool bad;

    if (!f)
        return NULL;
    fprintf(f, "{\"%s\":[", name);
    for (uint32_t i = 0; i < p->n; i++) {
        if (i)
            fputc(',', f);
        fwrite(p->objects[i]->text, 1, p->objects[i]->size, f);
    }
    if (p->more && p->n)
        cursor = cursor_encode(kind, p->objects[p->n - 1]->key);
    fprintf(f, cursor ? "],\"next\":\"%s\"}" : "],\"next\":null}", cursor);
    bad = ferror(f);
    if (fclose(f) != 0 || bad || (p->more && p->n && !cursor)) {
        free(buf);
        return NULL;
    }
    response = MHD_create_response_from_buffer(size, buf, MHD_RESPMEM_MUST_FREE);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    else
        free(buf);
    return response;
}

void mirror_page(struct request *req, enum class c, const char *name, bool (*wanted)(struct request *req, json_object *o)) {
    static const char kinds[CLASS_MAX] = {'m', 'i', 'o'};
    char after[CURSOR_KEY_MAX + 1];
    struct object *dirty;
    struct page page;
    uint32_t limit;
    bool present;

    if (request_limit(req, &limit) < 0 || request_cursor(req, kinds[c], after, &present) < 0 || mirror_need(req) == 0)
        return;
    dirty = collect(req, c, limit, present ? after : NULL, wanted, &page);
    if (dirty) {
        (void)request_wait(req, &dirty->waiting);
        return;
    }
    reply_response(req, MHD_HTTP_OK, render(name, &page, kinds[c]));
}
