/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of the gateway's clients, of tokens to become one, and of idempotency keys. */
#include "audit-log.h"
#include "store-internal.h"

#include <errno.h>

static const char put_client[] =
    "INSERT OR REPLACE INTO clients (id, name, role, pattern, created, expires) VALUES (?1,?2,?3,?4,?5,?6)";
static const char delete_client[] = "DELETE FROM clients WHERE id = ?1";
static const char get_client[] = "SELECT id, name, role, pattern, created, expires FROM clients WHERE id = ?1";
static const char each_client[] = "SELECT id, name, role, pattern, created, expires FROM clients ORDER BY created, id";
static const char put_token[] =
    "INSERT INTO client_tokens (id, name, role, pattern, created, expires) VALUES (?1,?2,?3,?4,?5,?6)";
static const char get_token[] = "SELECT id, name, role, pattern, created, expires FROM client_tokens WHERE id = ?1";
static const char delete_token[] = "DELETE FROM client_tokens WHERE id = ?1";
static const char expire_tokens[] = "DELETE FROM client_tokens WHERE expires < ?1";
static const char put_key[] =
    "INSERT OR REPLACE INTO idempotency (client, key, digest, kind, operation, created) VALUES (?1,?2,?3,?4,?5,?6)";
static const char get_key[] = "SELECT digest, kind, operation FROM idempotency WHERE client = ?1 AND key = ?2";
static const char expire_keys[] = "DELETE FROM idempotency WHERE created < ?1";

static int put(struct store *s, const char *sql, const struct store_client *c) {
    sqlite3_stmt *q = store_statement(s, sql);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, c->id);
    store_bind_text(q, 2, c->name);
    store_bind_text(q, 3, c->role);
    store_bind_text(q, 4, c->pattern);
    sqlite3_bind_int64(q, 5, (int64_t)c->created);
    sqlite3_bind_int64(q, 6, (int64_t)c->expires);
    return store_run(q);
}

int store_put_client(struct store *s, const struct store_client *c) {
    return put(s, put_client, c);
}

int store_put_token(struct store *s, const struct store_client *c) {
    return put(s, put_token, c);
}

/* A statement with one text; how many rows it changed. */
static int change(struct store *s, const char *sql, const char *id) {
    sqlite3_stmt *q = store_statement(s, sql);
    int r;

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, id);
    r = store_run(q);
    return r < 0 ? r : sqlite3_changes(s->db);
}

int store_delete_client(struct store *s, const char *id) {
    return change(s, delete_client, id);
}

int store_delete_token(struct store *s, const char *id) {
    return change(s, delete_token, id);
}

static int expire(struct store *s, const char *sql, uint64_t before) {
    sqlite3_stmt *q = store_statement(s, sql);

    if (!q)
        return store_failure(s);
    sqlite3_bind_int64(q, 1, (int64_t)before);
    return store_run(q);
}

int store_expire_tokens(struct store *s, uint64_t before) {
    return expire(s, expire_tokens, before);
}

int store_expire_keys(struct store *s, uint64_t before) {
    return expire(s, expire_keys, before);
}

/* Calls @fn for each row of @q, until it returns non-zero. How many rows, or what it returned. */
static int each(struct store *s, sqlite3_stmt *q, int (*fn)(void *userdata, const struct store_client *c), void *userdata) {
    int rc = SQLITE_DONE, r = 0, n = 0;

    (void)s;
    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_client c = {
            .id = store_text(q, 0),
            .name = store_text(q, 1),
            .role = store_text(q, 2),
            .pattern = store_text(q, 3),
            .created = (uint64_t)sqlite3_column_int64(q, 4),
            .expires = (uint64_t)sqlite3_column_int64(q, 5),
        };

        n++;
        r = fn(userdata, &c);
    }
    if (r == 0)
        r = store_errno(rc);
    store_done(q);
    return r ?: n;
}

static int get(struct store *s, const char *sql, const char *id, int (*fn)(void *userdata, const struct store_client *c),
               void *userdata) {
    sqlite3_stmt *q = store_statement(s, sql);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, id);
    return each(s, q, fn, userdata);
}

int store_get_client(struct store *s, const char *id, int (*fn)(void *userdata, const struct store_client *c), void *userdata) {
    return get(s, get_client, id, fn, userdata);
}

int store_get_token(struct store *s, const char *id, int (*fn)(void *userdata, const struct store_client *c), void *userdata) {
    return get(s, get_token, id, fn, userdata);
}

int store_each_client(struct store *s, int (*fn)(void *userdata, const struct store_client *c), void *userdata) {
    sqlite3_stmt *q = store_statement(s, each_client);

    return q ? each(s, q, fn, userdata) : store_failure(s);
}

int store_put_key(struct store *s, const struct store_key *k) {
    sqlite3_stmt *q = store_statement(s, put_key);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, k->client);
    store_bind_text(q, 2, k->key);
    store_bind_text(q, 3, k->digest);
    store_bind_text(q, 4, k->kind);
    store_bind_text(q, 5, k->operation);
    sqlite3_bind_int64(q, 6, (int64_t)k->created);
    return store_run(q);
}

int store_get_key(struct store *s, const char *client, const char *key,
                  int (*fn)(void *userdata, const struct store_key *k), void *userdata) {
    sqlite3_stmt *q = store_statement(s, get_key);
    int rc, r = 0;

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, client);
    store_bind_text(q, 2, key);
    rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        struct store_key k = {
            .client = client,
            .key = key,
            .digest = store_text(q, 0),
            .kind = store_text(q, 1),
            .operation = store_text(q, 2),
        };

        r = fn(userdata, &k);
        r = r ?: 1;
    } else
        r = store_errno(rc);
    store_done(q);
    return r;
}
