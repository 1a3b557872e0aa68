/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store: what is written is read again, also by the next process; migration; damage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cvmd/store.h"
#include "cvmd/util.h"

static char dir[] = "/tmp/test-cvmd-store-XXXXXX";
static char path[64];
static struct cvm_error e;

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/state.db", dir);
    return 0;
}

static int remove_files(void **state) {
    static const char *const files[] = {"state.db", "state.db-wal", "state.db-shm", "audit.db", "audit.db-wal",
                                        "audit.db-shm", "audit.key"};
    char p[80];

    (void)state;
    for (unsigned i = 0; i < ELEMENTSOF(files); i++) {
        snprintf(p, sizeof(p), "%s/%s", dir, files[i]);
        unlink(p);
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return rmdir(dir);
}

static const struct store_machine web = {
    .name = "web",
    .uuid = "u-1",
    .state = "running",
    .protected = 1,
    .memory = 1ull << 40,
    .vcpus = 2,
    .backing = "pageable",
    .cmdline = "a 'b' \"c\"; DROP TABLE machines",
    .has_initrd = 1,
    .restart = "no",
    .changed = 1,
    .created = 1700000000000000,
    .started = 5,
};

static unsigned seen;

static int check_web(void *userdata, const struct store_machine *m) {
    const struct store_machine *want = userdata;

    seen++;
    assert_string_equal(m->name, want->name);
    assert_string_equal(m->uuid, want->uuid);
    assert_string_equal(m->state, want->state);
    assert_string_equal(m->cmdline, want->cmdline);
    assert_string_equal(m->backing, want->backing);
    assert_true(m->memory == want->memory && m->vcpus == want->vcpus && m->protected == want->protected);
    assert_true(m->created == want->created && m->started == want->started && m->ended == 0 &&
                m->has_initrd == 1 && m->changed == want->changed);
    if (want->reason)
        assert_string_equal(m->reason, want->reason);
    else
        assert_null(m->reason);
    assert_null(m->launch_digest);
    return 0;
}

static struct store *open_store(void) {
    struct store *s = NULL;

    if (store_open(path, &s, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static void test_machines(void **state) {
    struct store_machine m = web;
    struct store *s = open_store();

    (void)state;
    assert_int_equal(store_put_machine(s, &m), 0);
    m.state = "failed";
    m.reason = "because";
    assert_int_equal(store_put_machine(s, &m), 0);
    store_close(s);

    s = open_store();
    seen = 0;
    assert_int_equal(store_each_machine(s, check_web, &m), 0);
    assert_int_equal(seen, 1);
    m.name = "other"; /* the same UUID */
    assert_int_equal(store_put_machine(s, &m), -EEXIST);
    assert_int_equal(store_delete_machine(s, "web"), 0);
    seen = 0;
    assert_int_equal(store_each_machine(s, check_web, &m), 0);
    assert_int_equal(seen, 0);
    store_close(s);
}

static uint64_t last_id;

static int count_audit(void *userdata, const struct store_audit *a) {
    unsigned *n = userdata;

    assert_true(a->id > last_id);
    last_id = a->id;
    (*n)++;
    return 0;
}

static unsigned count(struct store *s, uint64_t after, const char *machine, uint32_t limit) {
    unsigned n = 0;

    last_id = 0;
    assert_int_equal(store_each_audit(s, after, machine, limit, count_audit, &n), 0);
    return n;
}

static void test_audit(void **state) {
    struct store_audit a = {
        .time = 1, .source = "cvmd", .machine = "web", .event = "launch", .message = "m", .who = "w"};
    struct store *s = open_store();
    uint64_t seq;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(store_append_audit(s, &a), 1);
    assert_int_equal(store_last_seq(s, "boot-1", &seq), 0);
    assert_true(seq == 0);
    a = (struct store_audit){.time = 2,
                             .source = "rootvisor",
                             .event = "denied",
                             .message = "m",
                             .boot_id = "boot-1",
                             .arg = {UINT64_MAX, 1}};
    for (a.seq = 1; a.seq <= 10; a.seq++)
        assert_int_equal(store_append_audit(s, &a), 1);
    a.seq = 7;
    assert_int_equal(store_append_audit(s, &a), 0); /* known */
    a.boot_id = "boot-2";
    assert_int_equal(store_append_audit(s, &a), 1); /* another boot counts anew */
    assert_int_equal(store_last_seq(s, "boot-1", &seq), 0);
    assert_true(seq == 10);
    store_close(s);

    s = open_store();
    assert_int_equal(count(s, 0, NULL, 0), 16);
    assert_int_equal(count(s, 0, "web", 0), 5);
    assert_int_equal(count(s, 0, NULL, 3), 3);
    assert_int_equal(count(s, 14, NULL, 0), 2);
    assert_int_equal(count(s, UINT64_MAX, NULL, 0), 0);
    store_close(s);
}

static void sql_on(const char *file, const char *statements) {
    sqlite3 *db;

    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void sql(const char *statements) {
    sql_on(path, statements);
}

/* A database of schema 1, as the first step makes it, with a machine in it. */
static void test_migration(void **state) {
    char *step = sqlite3_mprintf(
        "%s INSERT INTO machines VALUES ('web', 'u-1', 'running', NULL, 1, %lld, 2, 'pageable', %Q, 1, NULL,"
        " 1700000000000000, 5, 0); PRAGMA user_version = 1",
        store_migrations[0], 1ll << 40, web.cmdline);
    struct store_machine m = web;
    struct store *s;

    (void)state;
    sql(step);
    sqlite3_free(step);
    m.changed = 0; /* that column came later */
    s = open_store();
    seen = 0;
    assert_int_equal(store_each_machine(s, check_web, &m), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(
        store_append_audit(s, &(struct store_audit){.source = "cvmd", .event = "x", .message = "y"}), 1);
    store_close(s);
    s = open_store(); /* nothing left to do */
    store_close(s);
}

static char list[256];

static int append_operation(void *userdata, const struct store_operation *o) {
    (void)userdata;
    strcat(strcat(list, o->id), o->result ? "+ " : " ");
    return 0;
}

static int append_image(void *userdata, const struct store_image *i) {
    (void)userdata;
    strcat(strcat(list, i->digest), " ");
    assert_true(i->size == 1ull << 40);
    return 0;
}

static void test_operations(void **state) {
    struct store_operation o = {.id = "2", .kind = "launch", .state = "pending", .unit = "", .who = "w", .created = 1};
    struct store *s = open_store();
    char *value = NULL;

    (void)state;
    assert_int_equal(store_put_operation(s, &o), 0);
    o.id = "1";
    assert_int_equal(store_put_operation(s, &o), 0);
    o.state = "done";
    o.result = "{}";
    assert_int_equal(store_put_operation(s, &o), 0);
    assert_int_equal(store_put_image(s, &(struct store_image){"b", "n", "kernel", 1ull << 40, 1}), 0);
    assert_int_equal(store_put_image(s, &(struct store_image){"a", "n", "kernel", 1ull << 40, 1}), 0);
    assert_int_equal(store_get_value(s, "key", &value), -ENOENT);
    assert_int_equal(store_set_value(s, "key", "1"), 0);
    assert_int_equal(store_set_value(s, "key", "2"), 0);
    store_close(s);

    s = open_store();
    list[0] = 0;
    assert_int_equal(store_each_operation(s, append_operation, NULL), 0);
    assert_int_equal(store_each_image(s, append_image, NULL), 0);
    assert_string_equal(list, "1+ 2 a b ");
    assert_int_equal(store_delete_operation(s, "1"), 0);
    assert_int_equal(store_delete_image(s, "a"), 0);
    list[0] = 0;
    assert_int_equal(store_each_operation(s, append_operation, NULL), 0);
    assert_int_equal(store_each_image(s, append_image, NULL), 0);
    assert_string_equal(list, "2 b ");
    assert_int_equal(store_get_value(s, "key", &value), 0);
    assert_string_equal(value, "2");
    free(value);
    store_close(s);
}

/* From every schema that ever was to this one. */
static void test_every_migration(void **state) {
    for (unsigned version = 1; version <= store_schema_version; version++) {
        struct store_machine m = web;
        struct store *s;
        char text[64];

        for (unsigned i = 0; i < version; i++)
            sql(store_migrations[i]);
        snprintf(text, sizeof(text), "PRAGMA user_version = %u", version);
        sql(text);
        s = open_store();
        assert_int_equal(store_put_machine(s, &m), 0);
        seen = 0;
        assert_int_equal(store_each_machine(s, check_web, &m), 0);
        assert_int_equal(seen, 1);
        store_close(s);
        remove_files(state);
    }
}

static void test_newer(void **state) {
    struct store *s = NULL;

    (void)state;
    sql("PRAGMA user_version = 99");
    assert_int_equal(store_open(path, &s, &e), -EPROTO);
    assert_non_null(strstr(e.text, "newer cvmd"));
}

static void test_damaged(void **state) {
    struct store *s = NULL;
    FILE *f = fopen(path, "w");

    (void)state;
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", f);
    fclose(f);
    assert_int_equal(store_open(path, &s, &e), -EBADMSG);
    assert_int_equal(store_open("/nonexistent/state.db", &s, &e), -EACCES);
}

static void test_transaction(void **state) {
    struct store_machine m = web;
    struct store *s = open_store();

    (void)state;
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_machine(s, &m), 0);
    store_close(s); /* not committed, as after a kill */
    s = open_store();
    seen = 0;
    assert_int_equal(store_each_machine(s, check_web, &m), 0);
    assert_int_equal(seen, 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_machine(s, &m), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = open_store();
    assert_int_equal(store_each_machine(s, check_web, &m), 0);
    assert_int_equal(seen, 1);
    store_close(s);
}

static int events(void *userdata, const struct store_audit *a) {
    char *s = userdata;

    assert_true(strlen(s) + strlen(a->event) + 2 < 64);
    strcat(strcat(s, a->event), " ");
    return 0;
}

static void check_events(struct store *s, const char *expected) {
    char text[64] = "";

    assert_int_equal(store_each_audit(s, 0, NULL, 0, events, text), 0);
    assert_string_equal(text, expected);
}

static struct store_audit event(const char *name) {
    return (struct store_audit){.time = 5, .source = "cvmd", .machine = "web", .event = name, .message = "m", .who = "w"};
}

/* An entry is committed with what it tells of: both or neither, whatever cuts the way to the log. */
static void test_owed(void **state) {
    struct store_audit a = event("first");
    struct store *s = open_store();

    (void)state;
    assert_int_equal(store_append_audit(s, &a), 1);
    for (int relaxed = 0; relaxed < 2; relaxed++) {
        a = event("undone");
        assert_int_equal(relaxed ? store_begin_relaxed(s) : store_begin(s), 0);
        assert_int_equal(store_append_audit(s, &a), 1);
        assert_int_equal(store_rollback(s), 0);
        a = event(relaxed ? "d" : "b");
        assert_int_equal(relaxed ? store_begin_relaxed(s) : store_begin(s), 0);
        assert_int_equal(store_append_audit(s, &a), 1);
        a = event(relaxed ? "e" : "c");
        assert_int_equal(store_append_audit(s, &a), 1);
        assert_int_equal(store_commit(s), 0);
    }
    assert_int_equal(store_sync(s), 0);
    check_events(s, "first b c d e ");
    a.seq = 1; /* RootVisor's come again if they are lost */
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_append_audit(s, &a), -EINVAL);
    assert_int_equal(store_rollback(s), 0);
    store_close(s); /* what it keeps for the log is in it already */
    s = open_store();
    check_events(s, "first b c d e ");
    store_close(s);

    /* Killed behind the commit, before the log had them; one of them it had. */
    sql("INSERT INTO audit_owed VALUES (4, 5, 'web', NULL, 'e', 'm', 'w'), (6, 5, NULL, NULL, 'g', 'm', NULL),"
        " (5, 5, NULL, NULL, 'f', 'm', NULL)");
    for (int again = 0; again < 2; again++) {
        s = open_store();
        check_events(s, "first b c d e f g ");
        store_close(s);
    }

    /* The log lost its end with the power; another entry comes behind, not before what is owed. */
    sql("INSERT INTO audit_owed VALUES (7, 5, NULL, NULL, 'h', 'm', NULL)");
    s = open_store();
    a = event("i");
    assert_int_equal(store_append_audit(s, &a), 1);
    assert_int_equal(store_settle_audit(s), 0);
    check_events(s, "first b c d e f g h i ");
    store_close(s);
}

/* The log cannot be written, the store can: its entries wait, and nothing overtakes them. */
static void test_owed_waits(void **state) {
    struct store_audit a = event("waits");
    struct store *s = open_store();
    char audit[80];

    (void)state;
    snprintf(audit, sizeof(audit), "%s/audit.db", dir);
    sql_on(audit, "CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(FAIL, 'full'); END");
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_append_audit(s, &a), 1);
    assert_int_equal(store_commit(s), 0);
    a = event("refused");
    assert_true(store_append_audit(s, &a) < 0);
    assert_true(store_settle_audit(s) < 0);
    check_events(s, "");
    sql_on(audit, "DROP TRIGGER full");
    a = event("behind");
    assert_int_equal(store_append_audit(s, &a), 1);
    check_events(s, "waits behind ");
    store_close(s);
}

/* The table of schema 2 moves to the log's own database: all entries, once, whenever it is cut off. */
static void test_audit_moves(void **state) {
    struct store *s;

    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        char *step = sqlite3_mprintf("%s %s", store_migrations[0], store_migrations[1]);

        sql(step);
        sqlite3_free(step);
        for (int i = 0; i < 300; i++)
            sql("INSERT INTO audit (time, source, machine, event, reason, message, who, arg0, arg1)"
                " VALUES (7, 'cvmd', 'web', 'launch', 0, 'm', 'w', 1, -1)");
        sql("INSERT INTO audit (time, source, event, reason, message, boot_id, seq, arg0, arg1)"
            " VALUES (8, 'rootvisor', 'denied', 3, 'm', 'boot-1', 5, 1, 2); PRAGMA user_version = 2");
        s = open_store();
        assert_int_equal(count(s, 0, NULL, 0), 301);
        store_close(s);
        if (cut) { /* killed after the log had taken them, before the old table was dropped */
            step = sqlite3_mprintf("%s", store_migrations[1]);
            sql(step);
            sqlite3_free(step);
            sql("INSERT INTO audit (time, source, event, reason, message, arg0, arg1) VALUES (1, 'cvmd', 'x', 0, 'y', 0, 0)");
        }
        s = open_store();
        assert_int_equal(count(s, 0, NULL, 0), 301);
        assert_int_equal(count(s, 300, NULL, 0), 1);
        assert_int_equal(store_append_audit(s, &(struct store_audit){.source = "rootvisor", .event = "x", .message = "y",
                                                                    .boot_id = "boot-1", .seq = 5}),
                         0); /* known */
        store_close(s);
        remove_files(state);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_machines, remove_files),
        cmocka_unit_test_teardown(test_audit, remove_files),
        cmocka_unit_test_teardown(test_migration, remove_files),
        cmocka_unit_test_teardown(test_operations, remove_files),
        cmocka_unit_test_teardown(test_every_migration, remove_files),
        cmocka_unit_test_teardown(test_newer, remove_files),
        cmocka_unit_test_teardown(test_damaged, remove_files),
        cmocka_unit_test_teardown(test_transaction, remove_files),
        cmocka_unit_test_teardown(test_owed, remove_files),
        cmocka_unit_test_teardown(test_owed_waits, remove_files),
        cmocka_unit_test_teardown(test_audit_moves, remove_files),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
