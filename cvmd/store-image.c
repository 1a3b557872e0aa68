/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of images. */
#include "store-internal.h"

int store_put_image(struct store *s, const struct store_image *i) {
    static const char sql[] =
        "INSERT OR REPLACE INTO images (digest, name, kind, size, created) VALUES (?1,?2,?3,?4,?5)";
    sqlite3_stmt *q = store_statement(s, sql);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, i->digest);
    store_bind_text(q, 2, i->name);
    store_bind_text(q, 3, i->kind);
    sqlite3_bind_int64(q, 4, (int64_t)i->size);
    sqlite3_bind_int64(q, 5, (int64_t)i->created);
    return store_run(q);
}

int store_delete_image(struct store *s, const char *digest) {
    static const char sql[] = "DELETE FROM images WHERE digest = ?1";
    sqlite3_stmt *q = store_statement(s, sql);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, digest);
    return store_run(q);
}

int store_each_image(struct store *s, int (*fn)(void *userdata, const struct store_image *i),
                     void *userdata) {
    static const char sql[] = "SELECT digest, name, kind, size, created FROM images ORDER BY digest";
    sqlite3_stmt *q = store_statement(s, sql);
    int rc, r = 0;

    if (!q)
        return store_failure(s);
    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_image i = {
            .digest = store_text(q, 0),
            .name = store_text(q, 1),
            .kind = store_text(q, 2),
            .size = (uint64_t)sqlite3_column_int64(q, 3),
            .created = (uint64_t)sqlite3_column_int64(q, 4),
        };

        r = fn(userdata, &i);
    }
    if (r == 0)
        r = store_errno(rc);
    store_done(q);
    return r;
}
