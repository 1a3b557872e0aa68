/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Idempotency keys: the same request again is answered as the first time. */
#include "bus-gateway.h"
#include "log.h"

#include <errno.h>
#include <string.h>

#define KEY_KEEP_USEC (24ull * 3600u * 1000000u)

struct replay {
    const struct asked *asked;
    gateway_replay_fn fn;
    bool gone; /* what was remembered is no more */
};

static int reply_operation(const struct asked *a, const struct store_key *k) {
    int r = sd_bus_reply_method_return(a->call, "ss", k->kind, k->operation);

    return r < 0 ? r : 1;
}

static int replay(void *userdata, const struct store_key *k) {
    struct replay *p = userdata;
    int r;

    if (strcmp(k->digest, p->asked->digest) != 0)
        return sd_bus_error_setf(p->asked->error, BUS_ERROR_KEY_REUSED, "the key was used for another request");
    r = p->fn(p->asked, k);
    p->gone = r == 0;
    return r;
}

int gateway_answered(const struct asked *a, gateway_replay_fn fn) {
    struct replay p = {.asked = a, .fn = fn ?: reply_operation};
    int r = a->key[0] ? store_get_key(a->manager->store, a->id, a->key, replay, &p) : 0;

    return p.gone ? 0 : r;
}

void gateway_keep_key(const struct asked *a, const char *kind, const char *what) {
    uint64_t now = now_usec(CLOCK_REALTIME);
    struct store_key k = {.client = a->id, .key = a->key, .digest = a->digest, .kind = kind, .operation = what, .created = now};
    int r;

    if (!a->key[0])
        return;
    (void)store_expire_keys(a->manager->store, now - KEY_KEEP_USEC);
    r = store_put_key(a->manager->store, &k);
    if (r < 0)
        log_error("An idempotency key of %s %s cannot be kept: %s", kind, what, strerror(-r));
}

int gateway_reply_operation(const struct asked *a, int r, const struct operation *op) {
    const char *kind;

    if (r < 0)
        return r;
    kind = operation_kind_to_string(op->kind);
    gateway_keep_key(a, kind, op->id);
    return sd_bus_reply_method_return(a->call, "ss", kind, op->id);
}
