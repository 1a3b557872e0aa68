/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit log, for those who have the store at hand. */
#include "audit-log.h"
#include "store-internal.h"

struct audit_log *store_audit_log(struct store *s) {
    return s->log;
}

int store_append_audit(struct store *s, const struct store_audit *a) {
    return audit_log_append(s->log, a, 1);
}

int store_each_audit(struct store *s, uint64_t after, const char *machine, uint32_t limit,
                     int (*fn)(void *userdata, const struct store_audit *a), void *userdata) {
    return audit_log_each(s->log, after, machine, limit, fn, userdata);
}

int store_last_seq(struct store *s, const char *boot_id, uint64_t *ret) {
    return audit_log_last_seq(s->log, boot_id, ret);
}

int store_last_audit(struct store *s, uint64_t *ret) {
    uint8_t root[CVM_HASH_SIZE];

    *ret = audit_log_root(s->log, root); /* entries are numbered from 1 */
    return 0;
}
