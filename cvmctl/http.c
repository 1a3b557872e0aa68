/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http.h"

#include "member.h"

#include <curl/curl.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)
#define IN_PROGRESS_TRIES 240u /* a quarter of a second between */
#define IDLE_SECONDS 60L       /* four of the gateway's signs of life */

struct http {
    CURL *curl;
    char *base;
    char error[CURL_ERROR_SIZE];
};

struct buffer {
    char *p;
    size_t n;
};

/* --- the file of hosts --- */

struct lookup {
    const char *name;
    struct http_target *t;
    bool found, bad;
};

static int on_value(void *userdata, const char *section, const char *key, const char *value) {
    struct lookup *l = userdata;
    const char **to;

    if (strcmp(section, l->name) != 0)
        return 1;
    l->found = true;
    to = strcmp(key, "url") == 0      ? &l->t->url
         : strcmp(key, "cacert") == 0 ? &l->t->cacert
         : strcmp(key, "cert") == 0   ? &l->t->cert
         : strcmp(key, "key") == 0    ? &l->t->key
                                      : NULL;
    if (!to) {
        l->bad = true;
        return 0;
    }
    /* The command line comes first; the name stands in url's place. Kept until the program ends. */
    if (!*to || to == &l->t->url)
        *to = strdup(value);
    return *to != NULL;
}

int http_target_resolve(const char *verb, struct http_target *t) {
    const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
    struct lookup l = {.name = t->url, .t = t};
    char path[PATH_MAX];
    int r;

    if (strstr(t->url, "://") || strncmp(t->url, "unix:", 5) == 0)
        return 0;
    if (config && config[0] == '/')
        snprintf(path, sizeof(path), "%s/cvmctl/hosts.conf", config);
    else
        snprintf(path, sizeof(path), "%s/.config/cvmctl/hosts.conf", home ?: "");
    r = ini_parse(path, on_value, &l);
    if (r > 0)
        return fail(verb, EXIT_USAGE, "%s, line %d: %s", path, r,
                    l.bad ? "there are url, cacert, cert and key only" : "no [NAME] and no KEY=VALUE");
    if (r < 0 || !l.found || t->url == l.name)
        return fail(verb, EXIT_USAGE, "'%s' is no https:// URL, and no host with a url= in %s", l.name, path);
    return 0;
}

/* --- requests --- */

/* What one request sets and the next must not find. */
static void reset(struct http *h) {
    curl_easy_setopt(h->curl, CURLOPT_UPLOAD, 0L);
    curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, NULL);
    curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, NULL);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, NULL);
    curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 0L);
    curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, 0L);
    curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 1L);
}

int http_new(const char *verb, const struct http_target *t, struct http **ret) {
    struct http *h = calloc(1, sizeof(*h));
    bool local = strncmp(t->url, "unix:", 5) == 0;

    if (!local && strncmp(t->url, "https://", 8) != 0) {
        free(h);
        return fail(verb, EXIT_USAGE, "'%s' is no https:// URL", t->url);
    }
    if (!h || !(h->curl = curl_easy_init()) || !(h->base = strdup(local ? "http://localhost" : t->url))) {
        http_free(h);
        return fail(verb, EXIT_FAILED, "out of memory");
    }
    while (h->base[0] && h->base[strlen(h->base) - 1] == '/')
        h->base[strlen(h->base) - 1] = 0;
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, 20L);
    /* No redirect, no other protocol, and the peer is always checked: those are curl's defaults, said aloud.
     */
    curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, local ? "http" : "https");
    curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(h->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    if (local)
        curl_easy_setopt(h->curl, CURLOPT_UNIX_SOCKET_PATH, t->url + 5);
    if (t->cacert)
        curl_easy_setopt(h->curl, CURLOPT_CAINFO, t->cacert);
    if (t->cert)
        curl_easy_setopt(h->curl, CURLOPT_SSLCERT, t->cert);
    if (t->key)
        curl_easy_setopt(h->curl, CURLOPT_SSLKEY, t->key);
    *ret = h;
    return 0;
}

void http_free(struct http *h) {
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    free(h->base);
    free(h);
}

char *http_escape(struct http *h, const char *s) {
    char *escaped = curl_easy_escape(h->curl, s, 0), *ret = escaped ? strdup(escaped) : NULL;

    curl_free(escaped);
    return ret;
}

static size_t on_data(char *p, size_t size, size_t n, void *userdata) {
    struct buffer *b = userdata;
    char *q;

    n *= size;
    if (n > ANSWER_MAX - b->n)
        return 0;
    q = realloc(b->p, b->n + n + 1);
    if (!q)
        return 0;
    memcpy(q + b->n, p, n);
    b->p = q;
    b->n += n;
    q[b->n] = 0;
    return n;
}

static size_t on_read(char *p, size_t size, size_t n, void *userdata) {
    ssize_t k = read(*(int *)userdata, p, size * n);

    return k < 0 ? CURL_READFUNC_ABORT : (size_t)k;
}

static struct curl_slist *header(struct curl_slist *l, const char *fmt, const char *value) {
    char line[256];

    snprintf(line, sizeof(line), fmt, value);
    return curl_slist_append(l, line);
}

int http_problem_status(const char *type) {
    static const struct {
        const char *name;
        int status;
    } list[] = {{"no-such-machine", EXIT_NO_MACHINE}, {"no-such-operation", EXIT_NO_MACHINE},
                {"no-such-image", EXIT_NO_MACHINE},   {"no-such-client", EXIT_NO_MACHINE},
                {"unauthenticated", EXIT_REFUSED},    {"denied", EXIT_REFUSED},
                {"no-protection", EXIT_REFUSED},      {"not-protected", EXIT_REFUSED},
                {"invalid-argument", EXIT_USAGE},     {"bad-request", EXIT_USAGE},
                {"unavailable", EXIT_NO_DAEMON},      {"timeout", EXIT_NO_DAEMON}};
    const char *name = strrchr(type, '/');

    for (size_t i = 0; name && i < ELEMENTSOF(list); i++)
        if (strcmp(name + 1, list[i].name) == 0)
            return list[i].status;
    return EXIT_FAILED;
}

/* The exit status for an answer of another class than 2xx, and what it says. */
static int refusal(long status, json_object *o, char *ret, size_t size) {
    if (!o || !member_text(o, "type")[0]) {
        snprintf(ret, size, "the gateway answers with status %ld", status);
        return status == 502 || status == 503 || status == 504 ? EXIT_NO_DAEMON : EXIT_FAILED;
    }
    snprintf(ret, size, "%s",
             member_text(o, "detail")[0] ? member_text(o, "detail") : member_text(o, "title"));
    return http_problem_status(member_text(o, "type"));
}

static int judge(struct http *h, const char *verb, struct buffer *b, json_object **ret, bool *again) {
    _cleanup_json_ json_object *o = b->n ? json_tokener_parse(b->p) : NULL;
    char error[512];
    long status = 0;
    int r;

    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 == 2) {
        if (b->n && !o)
            return fail(verb, EXIT_FAILED, "the gateway's answer is no JSON");
        *ret = json_object_get(o);
        return 0;
    }
    /* libcurl repeated a request whose connection broke, and the first is still under way. */
    if (*again && o && strcmp(member_text(o, "type"), "/v1/problems/in-progress") == 0)
        return EXIT_FAILED;
    *again = false;
    r = refusal(status, o, error, sizeof(error));
    return fail(verb, r, "%s", error);
}

/* A repeated request with this key is done once: libcurl repeats one whose connection broke before an answer.
 */
static void idempotency_key(char key[33]) {
    uint8_t random[16];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        memset(random, 0, sizeof(random));
    cvm_hex_encode(random, sizeof(random), key);
}

static int call(struct http *h, const char *verb, const struct http_request *q, const char *key, json_object **ret,
                bool *again) {
    bool sends = q->body || q->fd >= 0, patch = strcmp(q->method, "PATCH") == 0,
         get = strcmp(q->method, "GET") == 0;
    _cleanup_free_ char *url = NULL;
    struct curl_slist *headers = NULL;
    struct buffer answer = {0};
    CURLcode c;
    int r;

    reset(h);
    *ret = NULL;
    if (asprintf(&url, "%s%s", h->base, q->path) < 0) {
        url = NULL;
        return fail(verb, EXIT_FAILED, "out of memory");
    }
    headers = header(headers, "Accept: %s", "application/json");
    if (sends)
        headers = header(headers, "Content-Type: %s",
                         q->fd >= 0 ? "application/octet-stream"
                         : patch    ? "application/merge-patch+json"
                                    : "application/json");
    if (!get && !patch)
        headers = header(headers, "Idempotency-Key: %s", key);
    if (q->if_match)
        headers = header(headers, "If-Match: %s", "*");
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_UPLOAD, q->fd >= 0 ? 1L : 0L);
    if (q->fd >= 0) {
        struct stat st;

        if (fstat(q->fd, &st) == 0)
            curl_easy_setopt(h->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size);
        curl_easy_setopt(h->curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(h->curl, CURLOPT_READDATA, &q->fd);
    } else if (get)
        curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
    else {
        const char *body = q->body ? json_object_to_json_string_ext(q->body, JSON_C_TO_STRING_PLAIN) : "";

        curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, body);
    }
    curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, q->method);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &answer);
    h->error[0] = 0;
    c = curl_easy_perform(h->curl);
    curl_slist_free_all(headers);
    if (c != CURLE_OK) {
        *again = false;
        r = fail(verb, EXIT_NO_DAEMON, "%s cannot be reached: %s", h->base,
                 h->error[0] ? h->error : curl_easy_strerror(c));
    } else
        r = judge(h, verb, &answer, ret, again);
    free(answer.p);
    return r;
}

int http_call(struct http *h, const char *verb, const struct http_request *q, json_object **ret) {
    const struct timespec pause = {.tv_nsec = 250000000};
    char key[33];

    idempotency_key(key);
    for (unsigned tries = 1;; tries++) {
        bool again = tries < IN_PROGRESS_TRIES;
        int r = call(h, verb, q, key, ret, &again);

        if (r == 0 || !again)
            return r;
        if (q->fd >= 0 && lseek(q->fd, 0, SEEK_SET) < 0)
            return fail(verb, EXIT_FAILED, "the file cannot be read again: %s", strerror(errno));
        nanosleep(&pause, NULL);
    }
}

/* --- streams --- */

struct following {
    struct http *h;
    struct http_stream *s;
    struct buffer refusal;
    char value[256];
    bool begun, stopped;
};

static long status_of(struct http *h) {
    long status = 0;

    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t on_field(char *p, size_t size, size_t n, void *userdata) {
    struct following *f = userdata;
    size_t k = f->s->want ? strlen(f->s->want) : 0;

    n *= size;
    if (k && n > k + 1 && strncasecmp(p, f->s->want, k) == 0 && p[k] == ':') {
        char *value = p + k + 1;

        value += strspn(value, " ");
        snprintf(f->value, sizeof(f->value), "%.*s", (int)strcspn(value, "\r\n"), value);
    }
    /* The empty line behind the fields. */
    if ((n == 2 || n == 1) && status_of(f->h) / 100 == 2 && !f->begun) {
        f->begun = true;
        if (f->s->begin && f->s->begin(f->s->userdata, f->value) != 0) {
            f->stopped = true;
            return 0;
        }
    }
    return n;
}

static size_t on_part(char *p, size_t size, size_t n, void *userdata) {
    struct following *f = userdata;

    if (status_of(f->h) / 100 != 2)
        return on_data(p, size, n, &f->refusal);
    if (f->s->data(f->s->userdata, p, size * n) == 0)
        return size * n;
    f->stopped = true;
    return 0;
}

/* About once a second, also while nothing comes: there is no write that would fail then. */
static int on_progress(void *userdata, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up) {
    struct following *f = userdata;

    (void)total;
    (void)now;
    (void)up_total;
    (void)up;
    if (nobody_reads())
        f->stopped = true;
    return f->stopped;
}

int http_follow(struct http *h, struct http_stream *s) {
    struct following f = {.h = h, .s = s};
    _cleanup_free_ char *url = NULL;
    struct curl_slist *headers = NULL;
    CURLcode c;
    int r = 0;

    s->error[0] = 0;
    if (asprintf(&url, "%s%s", h->base, s->path) < 0) {
        url = NULL;
        snprintf(s->error, sizeof(s->error), "out of memory");
        return EXIT_FAILED;
    }
    reset(h);
    headers = header(headers, "Accept: %s", s->accept);
    if (s->last_event_id)
        headers = header(headers, "Last-Event-ID: %s", s->last_event_id);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_field);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, &f);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_part);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &f);
    curl_easy_setopt(h->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (s->idle_ends) {
        curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, IDLE_SECONDS);
        curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, &f);
        curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
    }
    h->error[0] = 0;
    c = curl_easy_perform(h->curl);
    curl_slist_free_all(headers);
    if (status_of(h) / 100 != 2 && f.refusal.n) {
        _cleanup_json_ json_object *o = json_tokener_parse(f.refusal.p);

        r = refusal(status_of(h), o, s->error, sizeof(s->error));
    } else if (f.stopped)
        r = EXIT_FAILED;
    else if (c != CURLE_OK || !f.begun) {
        snprintf(s->error, sizeof(s->error), "%s %s: %s", h->base, f.begun ? "broke off" : "cannot be reached",
                 h->error[0] ? h->error : curl_easy_strerror(c));
        r = EXIT_NO_DAEMON;
    }
    free(f.refusal.p);
    return r;
}

int http_post_bytes(struct http *h, const char *path, const char *p, size_t n) {
    struct curl_slist *headers = NULL;
    _cleanup_free_ char *url = NULL;
    struct buffer answer = {0};
    CURLcode c;

    if (asprintf(&url, "%s%s", h->base, path) < 0) {
        url = NULL;
        return EXIT_FAILED;
    }
    reset(h);
    headers = header(headers, "Content-Type: %s", "application/octet-stream");
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, p);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &answer);
    c = curl_easy_perform(h->curl);
    curl_slist_free_all(headers);
    free(answer.p);
    return c != CURLE_OK ? EXIT_NO_DAEMON : status_of(h) / 100 == 2 ? 0 : EXIT_FAILED;
}
