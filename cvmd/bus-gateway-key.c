/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Idempotency keys: the same request again is answered as the first time. */
#include "bus-gateway.h"
#include "log.h"

#include <errno.h>
#include <string.h>

#define KEY_KEEP_USEC (24ull * 3600u * 1000000u)

static int replay(void *userdata, const struct store_key *k) {
    const struct asked *a = userdata;
    int r;

    if (strcmp(k->digest, a->digest) != 0)
        return sd_bus_error_setf(a->error, BUS_ERROR_KEY_REUSED, "the key was used for another request");
    r = sd_bus_reply_method_return(a->call, "ss", k->kind, k->operation);
    return r < 0 ? r : 1;
}

int gateway_answered(struct asked *a) {
    return a->key[0] ? store_get_key(a->manager->store, a->id, a->key, replay, a) : 0;
}

static void keep_key(const struct asked *a, const char *kind, const char *operation) {
    uint64_t now = now_usec(CLOCK_REALTIME);
    struct store_key k = {.client = a->id, .key = a->key, .digest = a->digest, .kind = kind, .operation = operation, .created = now};
    int r;

    if (!a->key[0])
        return;
    (void)store_expire_keys(a->manager->store, now - KEY_KEEP_USEC);
    r = store_put_key(a->manager->store, &k);
    if (r < 0)
        log_error("An idempotency key of %s %s cannot be kept: %s", kind, operation, strerror(-r));
}

int gateway_reply_operation(const struct asked *a, int r, const struct operation *op) {
    const char *kind;

    if (r < 0)
        return r;
    kind = operation_kind_to_string(op->kind);
    keep_key(a, kind, op->id);
    return sd_bus_reply_method_return(a->call, "ss", kind, op->id);
}
