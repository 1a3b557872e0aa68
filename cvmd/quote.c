/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quote.h"

#include "tpm.h"

#include <errno.h>
#include <string.h>

#define SECOND 1000000ull

enum kind { QUOTE, ENDORSEMENT, ACTIVATE, EXCHANGE };

/* A request; the thread that serves it owns it until it is done. */
struct request {
    struct request *next;
    struct quoter *quoter;
    enum kind kind;
    uint8_t nonce[64];
    struct cvm_credential credential;
    quoter_step step;
    struct tpm_line *line; /* open from the first command to the last answer: a session ends with it */
    struct quoter_exchange exchange;
    quoter_done done;
    void *userdata;
    struct cvm_platform *platform;
    char *text;
    struct cvm_error error;
};

struct kept {
    uint8_t nonce[64];
    struct cvm_platform *platform; /* NULL: free */
    uint64_t until;
};

struct quoter {
    struct inbox *inbox;
    struct quoter_config config;
    char *tcti, *event_log;
    struct request *first, **last;
    unsigned waiting;
    bool running;
    struct kept kept[QUOTER_CACHE_MAX];
    uint64_t tokens, filled; /* in microseconds of quoting time; when they were counted */
};

static void request_free(struct request *r) {
    if (!r)
        return;
    tpm_line_close(r->line);
    cvm_platform_free(r->platform);
    free(r->text);
    free(r);
}

static uint64_t price(const struct quoter *q) {
    return q->config.per_minute ? 60 * SECOND / q->config.per_minute : 0;
}

int quoter_new(struct inbox *inbox, const struct quoter_config *config, struct quoter **ret) {
    _cleanup_(quoter_freep) struct quoter *q = calloc(1, sizeof(*q));

    if (!q)
        return -ENOMEM;
    q->inbox = inbox;
    q->config = *config;
    q->config.tcti = q->tcti = strdup(config->tcti);
    q->config.event_log = q->event_log = strdup(config->event_log);
    q->last = &q->first;
    if (!q->tcti || !q->event_log)
        return -ENOMEM;
    q->filled = config->now();
    q->tokens = QUOTER_BURST * price(q);
    *ret = TAKE_PTR(q);
    return 0;
}

void quoter_free(struct quoter *q) {
    if (!q)
        return;
    while (q->first) {
        struct request *r = q->first;

        q->first = r->next;
        request_free(r);
    }
    for (unsigned i = 0; i < QUOTER_CACHE_MAX; i++)
        cvm_platform_free(q->kept[i].platform);
    free(q->tcti);
    free(q->event_log);
    free(q);
}

/* --- in the thread --- */

static int do_quote(struct tpm *t, struct request *r) {
    uint8_t qualify[32];
    int q;

    r->platform = calloc(1, sizeof(*r->platform));
    if (!r->platform)
        return cvm_error_set(&r->error, -ENOMEM, "out of memory");
    q = cvm_quote_qualify(r->nonce, qualify);
    if (q < 0)
        return cvm_error_set(&r->error, q, "libcrypto cannot hash");
    q = tpm_quote(t, qualify, r->platform, &r->error);
    return q < 0 ? q : tpm_read_log(r->quoter->config.event_log, r->platform, &r->error);
}

static int do_endorsement(struct tpm *t, struct request *r) {
    _cleanup_free_ struct cvm_endorsement *en = malloc(sizeof(*en));
    int q;

    if (!en)
        return cvm_error_set(&r->error, -ENOMEM, "out of memory");
    q = tpm_endorsement(t, en, &r->error);
    return q < 0 ? q : cvm_endorsement_compose(en, &r->text);
}

static int do_activate(struct tpm *t, struct request *r) {
    uint8_t secret[CVM_CREDENTIAL_SECRET];
    int q;

    q = tpm_activate(t, &r->credential, secret, &r->error);
    return q < 0 ? q : cvm_response_compose(secret, &r->text);
}

static int do_exchange(struct request *r) {
    int q = r->line ? 0 : tpm_line_open(r->quoter->config.tcti, &r->line, &r->error);

    return q < 0 ? q : tpm_line_exchange(r->line, r->exchange.bytes, &r->exchange.size, sizeof(r->exchange.bytes), &r->error);
}

static int work(void *data) {
    _cleanup_(tpm_closep) struct tpm *t = NULL;
    struct request *r = data;
    int q;

    if (r->kind == EXCHANGE)
        return do_exchange(r);
    q = tpm_open(r->quoter->config.tcti, &t, &r->error);
    if (q < 0)
        return q;
    return r->kind == QUOTE         ? do_quote(t, r)
           : r->kind == ENDORSEMENT ? do_endorsement(t, r)
                                    : do_activate(t, r);
}

/* --- in the event loop --- */

static const struct cvm_platform *keep(struct quoter *q, struct request *r) {
    struct kept *oldest = &q->kept[0];

    for (unsigned i = 0; i < QUOTER_CACHE_MAX; i++)
        if (!q->kept[i].platform || q->kept[i].until < oldest->until)
            oldest = &q->kept[i];
    cvm_platform_free(oldest->platform);
    oldest->platform = r->platform;
    r->platform = NULL;
    memcpy(oldest->nonce, r->nonce, sizeof(oldest->nonce));
    oldest->until = q->config.now() + QUOTER_CACHE_SEC * SECOND;
    return oldest->platform;
}

static const struct cvm_platform *find(struct quoter *q, const uint8_t *nonce) {
    for (unsigned i = 0; i < QUOTER_CACHE_MAX; i++)
        if (q->kept[i].platform && q->kept[i].until > q->config.now() &&
            memcmp(q->kept[i].nonce, nonce, sizeof(q->kept[i].nonce)) == 0)
            return q->kept[i].platform;
    return NULL;
}

static void start_next(struct quoter *q);
static void work_done(void *data, int result);

/* 1: a command is on its way; else the end. */
static int next_command(struct request *r) {
    int q = r->step(r->userdata, &r->exchange);

    if (q <= 0)
        return q;
    q = inbox_run(r->quoter->inbox, work, work_done, r);
    return q < 0 ? q : 1;
}

static void work_done(void *data, int result) {
    const struct cvm_platform *platform = NULL;
    struct request *r = data;
    struct quoter *q = r->quoter;

    if (result == 0 && r->kind == EXCHANGE) {
        result = next_command(r);
        if (result > 0)
            return;
    }
    q->running = false;
    if (result == 0 && r->kind == QUOTE)
        platform = keep(q, r);
    r->done(r->userdata, result, platform, r->text, &r->error);
    request_free(r);
    start_next(q);
}

static void start_next(struct quoter *q) {
    while (!q->running && q->first) {
        struct request *r = q->first;
        const struct cvm_platform *known = r->kind == QUOTE ? find(q, r->nonce) : NULL;

        q->first = r->next;
        if (!q->first)
            q->last = &q->first;
        q->waiting--;
        if (known) {
            /* The one before asked with the same nonce. */
            r->done(r->userdata, 0, known, NULL, &r->error);
            request_free(r);
        } else if (r->kind == EXCHANGE) {
            int s = next_command(r);

            q->running = s > 0;
            if (s <= 0) {
                r->done(r->userdata, s, NULL, NULL, &r->error);
                request_free(r);
            }
        } else if (inbox_run(q->inbox, work, work_done, r) < 0) {
            cvm_error_set(&r->error, -EAGAIN, "no thread for the TPM");
            r->done(r->userdata, -EAGAIN, NULL, NULL, &r->error);
            request_free(r);
        } else
            q->running = true;
    }
}

/* A token bucket. Seconds to wait, 0: take one. */
static uint32_t take_token(struct quoter *q) {
    uint64_t now = q->config.now(), cost = price(q);

    q->tokens += now - q->filled;
    q->filled = now;
    if (q->tokens > QUOTER_BURST * cost)
        q->tokens = QUOTER_BURST * cost;
    if (q->tokens < cost)
        return (uint32_t)((cost - q->tokens + SECOND - 1) / SECOND);
    q->tokens -= cost;
    return 0;
}

static void append(struct quoter *q, struct request *r) {
    r->quoter = q;
    *q->last = r;
    q->last = &r->next;
    q->waiting++;
    start_next(q);
}

static int enqueue(struct quoter *q, struct request *r, uint32_t *retry_after) {
    *retry_after = q->waiting >= QUOTER_QUEUE_MAX ? 5 : take_token(q);
    if (*retry_after) {
        request_free(r);
        return -EAGAIN;
    }
    append(q, r);
    return 0;
}

static struct request *request_new(enum kind kind, quoter_done done, void *userdata) {
    struct request *r = calloc(1, sizeof(*r));

    if (r) {
        r->kind = kind;
        r->done = done;
        r->userdata = userdata;
    }
    return r;
}

int quoter_quote(struct quoter *q, const uint8_t *nonce, quoter_done done, void *userdata,
                 uint32_t *retry_after) {
    const struct cvm_platform *known = find(q, nonce);
    struct request *r;

    *retry_after = 0;
    if (known) {
        done(userdata, 0, known, NULL, NULL);
        return 0;
    }
    r = request_new(QUOTE, done, userdata);
    if (!r)
        return -ENOMEM;
    memcpy(r->nonce, nonce, sizeof(r->nonce));
    return enqueue(q, r, retry_after);
}

int quoter_endorsement(struct quoter *q, quoter_done done, void *userdata, uint32_t *retry_after) {
    struct request *r = request_new(ENDORSEMENT, done, userdata);

    return r ? enqueue(q, r, retry_after) : -ENOMEM;
}

int quoter_activate(struct quoter *q, const char *challenge, quoter_done done, void *userdata,
                    uint32_t *retry_after, struct cvm_error *e) {
    struct request *r = request_new(ACTIVATE, done, userdata);
    int s;

    if (!r)
        return -ENOMEM;
    s = cvm_challenge_parse(challenge, strlen(challenge), &r->credential, e);
    if (s < 0) {
        request_free(r);
        return -EINVAL;
    }
    return enqueue(q, r, retry_after);
}

int quoter_exchange(struct quoter *q, quoter_step step, quoter_done done, void *userdata) {
    struct request *r;

    if (q->waiting >= QUOTER_QUEUE_MAX)
        return -EAGAIN;
    r = request_new(EXCHANGE, done, userdata);
    if (!r)
        return -ENOMEM;
    r->step = step;
    append(q, r);
    return 0;
}
