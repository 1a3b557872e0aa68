// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: cvmd/rest/parse.c cvmd/rest/body.c cvmd/rest/routes-match.c cvmd/roles.c attest/json.c attest/util.c
// CFLAGS: -I/usr/include/json-c
// LIBS: -ljson-c -lsystemd
// What clients of the REST gateway write: header fields, query parameters, paths, bodies, patterns. The first byte says
// which. What goes through must hold what it promises.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/json.h"
#include "cvmd/rest/body.h"
#include "cvmd/rest/parse.h"
#include "cvmd/rest/routes-match.h"
#include "cvmd/roles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok)
        abort();
}

static void range(const char *s) {
    for (uint64_t size = 0; size < 5; size++) {
        uint64_t first, last;

        if (parse_range(s, size, &first, &last) == 0)
            check(size && first <= last && last < size);
    }
}

static void cursor(const char *s) {
    char key[CURSOR_KEY_MAX + 1], *again;

    if (parse_cursor(s, 'm', key) == 0) {
        check(key[0] && strlen(key) <= CURSOR_KEY_MAX);
        again = cursor_encode('m', key);
        check(again && strcmp(again, s) == 0); /* one text for one place */
        free(again);
    }
    again = cursor_encode('m', s);
    if (again && s[0]) {
        bool plain = true;

        for (const char *p = s; *p; p++)
            plain &= *p > 0x20 && *p < 0x7f;
        if (plain)
            check(parse_cursor(again, 'm', key) == 0 && strcmp(key, s) == 0 && parse_cursor(again, 'o', key) < 0);
    }
    free(again);
}

static void match(const char *s) {
    char tag[ETAG_MAX];
    bool strong = false, weak = false;
    int a = parse_match(s, 0x1234, false, &strong), b = parse_match(s, 0x1234, true, &weak);

    check(a == b && (!strong || weak));
    if (strong && a == MATCH_LIST)
        check(strstr(s, etag_format(0x1234, tag)));
}

static void body(const char *s, size_t size) {
    sd_bus_message *m = NULL;
    const char *name;
    json_object *o;
    sd_bus *bus = NULL;
    bool start;

    if (cvm_json_parse(s, size, &o, NULL) < 0)
        return;
    (void)body_check_options(o, true, NULL);
    if (body_create(o, &name, &start, NULL) == 0 && sd_bus_new(&bus) >= 0) {
        /* What was accepted in form can be sent. */
        if (sd_bus_message_new_method_call(bus, &m, "a.b", "/", "a.b", "C") >= 0)
            check(body_append_options(m, o) >= 0);
        sd_bus_message_unref(m);
    }
    sd_bus_unref(bus);
    json_object_put(o);
}

static void path(const char *s) {
    static const char *const patterns[] = {"/v1/machines", "/v1/machines/{name}", "/v1/machines/{name}/actions/{action}"};

    for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
        const char *segments[2] = {0};
        size_t sizes[2] = {0};

        if (!path_matches(patterns[i], s, segments, sizes))
            continue;
        for (unsigned k = 0; k < 2 && segments[k]; k++) {
            char *out = NULL;

            if (path_decode(segments[k], sizes[k], &out) == 0)
                check(strlen(out) <= sizes[k] && !strchr(out, '/'));
            free(out);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char key[IDEMPOTENCY_KEY_MAX + 1], time[RFC3339_MAX], *s;
    uint64_t id;
    uint32_t limit;

    if (size < 1 || size > 65536)
        return 0;
    s = malloc(size);
    memcpy(s, data + 1, size - 1);
    s[size - 1] = 0;
    switch (data[0] % 8) {
    case 0:
        range(s);
        break;
    case 1:
        cursor(s);
        break;
    case 2:
        match(s);
        break;
    case 3:
        if (parse_idempotency_key(s, key) == 0)
            check(key[0] && strlen(key) <= IDEMPOTENCY_KEY_MAX && !strpbrk(key, " \"\\"));
        break;
    case 4:
        if (parse_limit(s, &limit) == 0)
            check(limit >= 1 && limit <= LIMIT_MAX);
        if (parse_event_id(s, &id) == 0)
            check(id <= INT64_MAX && strlen(rfc3339_format(id, time)) == 27);
        (void)parse_digest(s);
        (void)media_type_is(s, "application/json");
        break;
    case 5:
        body(s, size - 1);
        break;
    case 6:
        path(s);
        break;
    default:
        if (pattern_is_valid(s)) {
            check(!grant_allows(ROLE_NONE, s, PERMISSION_READ, "x") && !grant_allows(ROLE_VIEWER, s, PERMISSION_CONTROL, "x"));
            check(grant_allows(ROLE_ADMIN, s, PERMISSION_CLIENTS, NULL) == (strcmp(s, "*") == 0));
        }
    }
    free(s);
    return 0;
}
