/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of a machine, a{sv}, from a message. */
#include "bus.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

/* More than any option takes; the rest is refused without being kept. */
#define LIST_MAX (2 * LABELS_MAX + 2)

struct list {
    const char *items[LIST_MAX + 1];
    size_t n;
};

static int append(sd_bus_message *call, struct list *l) {
    const char *s;
    int r = sd_bus_message_read_basic(call, 's', &s);

    if (r <= 0)
        return r;
    if (l->n == LIST_MAX)
        return -E2BIG;
    l->items[l->n++] = s;
    l->items[l->n] = NULL;
    return 1;
}

static int read_strings(sd_bus_message *call, struct list *l) {
    int r = sd_bus_message_enter_container(call, 'a', "s");

    while (r >= 0 && (r = append(call, l)) > 0)
        ;
    return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_pairs(sd_bus_message *call, struct list *l) {
    int r = sd_bus_message_enter_container(call, 'a', "{ss}");

    while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', "ss")) > 0) {
        r = append(call, l);
        if (r >= 0)
            r = append(call, l);
        if (r >= 0)
            r = sd_bus_message_exit_container(call);
    }
    return r < 0 ? r : sd_bus_message_exit_container(call);
}

/* The value of a variant that has been entered. */
static int read_value(sd_bus_message *call, const char *signature, union option_value *v, struct list *l) {
    uint32_t u;
    int r, b;

    v->l = l->items;
    if (strcmp(signature, "as") == 0)
        return read_strings(call, l);
    if (strcmp(signature, "a{ss}") == 0)
        return read_pairs(call, l);
    switch (signature[0]) {
    case 's':
        return sd_bus_message_read_basic(call, 's', &v->s);
    case 'h':
        return sd_bus_message_read_basic(call, 'h', &v->fd);
    case 't':
        return sd_bus_message_read_basic(call, 't', &v->u);
    case 'u':
        r = sd_bus_message_read_basic(call, 'u', &u);
        v->u = u;
        return r;
    default:
        r = sd_bus_message_read_basic(call, 'b', &b);
        v->u = b != 0;
        return r;
    }
}

static int read_option(sd_bus_message *call, struct machine_options *o, sd_bus_error *error) {
    const char *key, *contents, *signature;
    union option_value v = {0};
    struct cvm_error e = {0};
    struct list l = {0};
    char type;
    int r;

    r = sd_bus_message_read_basic(call, 's', &key);
    if (r >= 0)
        r = sd_bus_message_peek_type(call, &type, &contents);
    if (r < 0)
        return r;
    signature = option_signature(key);
    if (signature && strcmp(signature, contents) == 0) {
        r = sd_bus_message_enter_container(call, 'v', signature);
        if (r >= 0)
            r = read_value(call, signature, &v, &l);
        if (r == -E2BIG)
            return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "option '%s' has too many values",
                                     key);
        if (r >= 0)
            r = sd_bus_message_exit_container(call);
        if (r < 0)
            return r;
    }
    r = option_set(o, key, contents, &v, &e);
    return r < 0 ? sd_bus_error_set(error, BUS_ERROR_INVALID_ARGUMENT, e.text) : 0;
}

int bus_read_options(sd_bus_message *call, struct machine_options *o, sd_bus_error *error) {
    int r = sd_bus_message_enter_container(call, 'a', "{sv}");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
        r = read_option(call, o, error);
        if (r >= 0)
            r = sd_bus_message_exit_container(call);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(call);
}

int bus_read_import_options(sd_bus_message *call, const char **digest, sd_bus_error *error) {
    int r = sd_bus_message_enter_container(call, 'a', "{sv}");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
        const char *key, *contents;
        char type;

        r = sd_bus_message_read_basic(call, 's', &key);
        if (r >= 0)
            r = sd_bus_message_peek_type(call, &type, &contents);
        if (r < 0)
            return r;
        if (strcmp(key, "Digest") != 0 || strcmp(contents, "s") != 0)
            return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT,
                                     "option '%.64s' of type '%.16s' is not known", key, contents);
        r = sd_bus_message_read(call, "v", "s", digest);
        if (r >= 0)
            r = sd_bus_message_exit_container(call);
        if (r < 0)
            return r;
        if (!digest_is_valid(*digest))
            return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT,
                                     "'%.100s' is no digest (96 lower-case hexadecimal digits, SHA-384)",
                                     *digest);
    }
    return r < 0 ? r : sd_bus_message_exit_container(call);
}
