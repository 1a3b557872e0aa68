/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes between two policies, and what one leaves open. */
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy.h"
#include "report.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

struct sink {
    void (*line)(void *data, const char *text);
    void *data;
    unsigned nr;
};

__attribute__((format(printf, 2, 3))) static void say(struct sink *s, const char *fmt, ...) {
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    s->nr++;
    if (s->line)
        s->line(s->data, text);
}

/* Elements of list @a that are not in @b, by value. */
static void missing(struct sink *s, char mark, const char *name, json_object *a, json_object *b) {
    for (size_t i = 0; i < json_object_array_length(a); i++) {
        json_object *x = json_object_array_get_idx(a, i), *digest = NULL;
        bool found = false;

        for (size_t k = 0; b && k < json_object_array_length(b); k++)
            found |= json_object_equal(x, json_object_array_get_idx(b, k));
        if (!found) {
            json_object_object_get_ex(x, "digest", &digest);
            say(s, "%c %s %s", mark, name, json_object_get_string(digest ?: x));
        }
    }
}

static void compare(struct sink *s, const char *prefix, json_object *a, json_object *b);

static void compare_member(struct sink *s, const char *name, json_object *x, json_object *y) {
    if (json_object_is_type(x, json_type_object) && json_object_is_type(y, json_type_object))
        compare(s, name, x, y);
    else if (json_object_is_type(x, json_type_array) && json_object_is_type(y, json_type_array) &&
             !strstr(name, "runtime_registers")) {
        /* Lists of alternatives: order means nothing. */
        missing(s, '-', name, x, y);
        missing(s, '+', name, y, x);
    } else
        say(s, "~ %s %s -> %s", name, json_object_to_json_string_ext(x, JSON_C_TO_STRING_PLAIN),
            json_object_to_json_string_ext(y, JSON_C_TO_STRING_PLAIN));
}

static void compare(struct sink *s, const char *prefix, json_object *a, json_object *b) {
    json_object_object_foreach(a, key, x) {
        json_object *y = NULL;
        char name[128];

        snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
        if (!json_object_object_get_ex(b, key, &y)) {
            if (json_object_is_type(x, json_type_array))
                missing(s, '-', name, x, NULL);
            else
                say(s, "- %s %s", name, json_object_to_json_string_ext(x, JSON_C_TO_STRING_PLAIN));
        } else if (!json_object_equal(x, y))
            compare_member(s, name, x, y);
    }
    json_object_object_foreach(b, other, z) {
        char name[128];

        if (json_object_object_get_ex(a, other, NULL))
            continue;
        snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", other);
        if (json_object_is_type(z, json_type_array))
            missing(s, '+', name, z, NULL);
        else
            say(s, "+ %s %s", name, json_object_to_json_string_ext(z, JSON_C_TO_STRING_PLAIN));
    }
}

unsigned cvm_policy_diff(const struct cvm_policy *a, const struct cvm_policy *b,
                         void (*line)(void *data, const char *text), void *data) {
    _cleanup_(json_object_putp) json_object *x = cvm_policy_to_json(a), *y = cvm_policy_to_json(b);
    struct sink s = {line, data, 0};

    if (x && y)
        compare(&s, "", x, y);
    else
        say(&s, "~ out of memory: not compared");
    return s.nr;
}

unsigned cvm_policy_gaps(const struct cvm_policy *p, void (*line)(void *data, const char *text), void *data) {
    struct sink s = {line, data, 0};

    if (!p->reference.nr_rootvisor)
        say(&s, "no RootVisor is accepted: every verdict will be policy_missing");
    if (!p->reference.nr_guardian)
        say(&s, "no Guardian is accepted: every verdict will be policy_missing");
    if (!p->reference.nr_launch)
        say(&s, "no launch measurement is accepted: every verdict will be policy_missing");
    if (!p->require_anchor && !p->nr_key_id)
        say(&s, "any report key is accepted: a host can sign with a key of its own, and the verdict will be "
                "a warning only");
    if (p->require_anchor && !p->reference.nr_boot)
        say(&s, "no firmware and loader is accepted: every verdict will be policy_missing");
    if (p->accept_no_dma_protection)
        say(&s, "devices may reach the VM's memory, and no warning will tell");
    else if (!p->require_dma_protection)
        say(&s, "devices may reach the VM's memory: the verdict will be a warning only");
    if (!p->not_after)
        say(&s, "the policy never ends");
    for (unsigned i = 0; i < p->nr_revoked; i++)
        for (unsigned k = 0; k < CVM_REFERENCE_MAX; k++)
            if ((k < p->reference.nr_rootvisor &&
                 memcmp(p->revoked[i], p->reference.rootvisor[k].digest, CVM_DIGEST_SIZE) == 0) ||
                (k < p->reference.nr_guardian &&
                 memcmp(p->revoked[i], p->reference.guardian[k].digest, CVM_DIGEST_SIZE) == 0))
                say(&s, "an image is both accepted and revoked: it will be refused");
    return s.nr;
}
