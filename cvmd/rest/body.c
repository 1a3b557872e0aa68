/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "body.h"

#include <errno.h>
#include <string.h>

/* Members of a machine's description, and cvmd's options for them. */
static const struct option {
    const char *name, *option, *signature;
    bool fixed; /* not changed by PATCH */
} options[] = {
    {"kernel_image", "KernelImage", "s", false},
    {"initrd_image", "InitrdImage", "s", false},
    {"command_line", "CommandLine", "s", false},
    {"memory", "Memory", "t", false},
    {"vcpus", "VCPUs", "u", false},
    {"unprotected", "Unprotected", "b", true},
    {"description", "Description", "s", false},
    {"labels", "Labels", "a{ss}", false},
    {"autostart", "Autostart", "b", false},
    {"restart", "Restart", "s", false},
    {"cpu_shares", "CPUShares", "t", false},
    {"cpu_quota", "CPUQuota", "u", false},
    {"io_weight", "IOWeight", "u", false},
    {"network", "Network", "s", false},
    {"disks", "Disks", "as", false},
};

static const struct option *find(const char *name) {
    for (size_t i = 0; i < ELEMENTSOF(options); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

/* A string that D-Bus takes: no NUL in it. UTF-8 was checked by the parser. */
static bool is_text(json_object *v) {
    return json_object_is_type(v, json_type_string) &&
           strlen(json_object_get_string(v)) == (size_t)json_object_get_string_len(v);
}

static bool is_number(json_object *v, uint64_t max) {
    return json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= 0 && json_object_get_uint64(v) <= max;
}

static bool is_map(json_object *v) {
    if (!json_object_is_type(v, json_type_object))
        return false;
    json_object_object_foreach(v, key, value) {
        if (!key[0] || !is_text(value))
            return false;
    }
    return true;
}

static bool is_list(json_object *v) {
    if (!json_object_is_type(v, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(v); i++)
        if (!is_text(json_object_array_get_idx(v, i)))
            return false;
    return true;
}

static const char *wrong(const struct option *k, json_object *v) {
    if (strcmp(k->signature, "s") == 0)
        return is_text(v) ? NULL : "a string";
    if (strcmp(k->signature, "t") == 0)
        return is_number(v, UINT64_MAX) ? NULL : "a whole number";
    if (strcmp(k->signature, "u") == 0)
        return is_number(v, UINT32_MAX) ? NULL : "a whole number below 4294967296";
    if (strcmp(k->signature, "b") == 0)
        return json_object_is_type(v, json_type_boolean) ? NULL : "true or false";
    if (strcmp(k->signature, "as") == 0)
        return is_list(v) ? NULL : "an array of strings";
    return is_map(v) ? NULL : "an object of strings";
}

int body_check_options(json_object *o, bool patch, struct cvm_error *e) {
    json_object_object_foreach(o, key, value) {
        const struct option *k = find(key);
        const char *want;

        if (!patch && (strcmp(key, "name") == 0 || strcmp(key, "start") == 0))
            continue;
        if (!k)
            return cvm_error_set(e, -EINVAL, "there is no member '%.64s' here", key);
        if (patch && k->fixed)
            return cvm_error_set(e, -EINVAL, "'%s' cannot be changed", key);
        want = wrong(k, value);
        if (want)
            return cvm_error_set(e, -EINVAL, "'%s' must be %s", key, want);
    }
    return 0;
}

int body_create(json_object *o, const char **name, bool *start, struct cvm_error *e) {
    json_object *v = NULL;

    if (!json_object_object_get_ex(o, "name", &v) || !is_text(v))
        return cvm_error_set(e, -EINVAL, "'name' must be there, and a string");
    *name = json_object_get_string(v);
    *start = true;
    if (json_object_object_get_ex(o, "start", &v)) {
        if (!json_object_is_type(v, json_type_boolean))
            return cvm_error_set(e, -EINVAL, "'start' must be true or false");
        *start = json_object_get_boolean(v);
    }
    return body_check_options(o, false, e);
}

static int append_list(sd_bus_message *m, json_object *v) {
    int r = sd_bus_message_open_container(m, 'a', "s");

    for (size_t i = 0; r >= 0 && i < json_object_array_length(v); i++)
        r = sd_bus_message_append_basic(m, 's', json_object_get_string(json_object_array_get_idx(v, i)));
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_map(sd_bus_message *m, json_object *v) {
    int r = sd_bus_message_open_container(m, 'a', "{ss}");

    json_object_object_foreach(v, key, value) {
        if (r >= 0)
            r = sd_bus_message_append(m, "{ss}", key, json_object_get_string(value));
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, const char *signature, json_object *v) {
    switch (signature[0]) {
    case 's':
        return sd_bus_message_append(m, "s", json_object_get_string(v));
    case 't':
        return sd_bus_message_append(m, "t", json_object_get_uint64(v));
    case 'u':
        return sd_bus_message_append(m, "u", (uint32_t)json_object_get_uint64(v));
    case 'b':
        return sd_bus_message_append(m, "b", (int)json_object_get_boolean(v));
    default:
        return signature[1] == 's' ? append_list(m, v) : append_map(m, v);
    }
}

int body_append_options(sd_bus_message *m, json_object *o) {
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    json_object_object_foreach(o, key, value) {
        const struct option *k = find(key);

        if (!k || r < 0)
            continue;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
            r = sd_bus_message_append_basic(m, 's', k->option);
        if (r >= 0)
            r = sd_bus_message_open_container(m, 'v', k->signature);
        if (r >= 0)
            r = append_value(m, k->signature, value);
        if (r >= 0)
            r = sd_bus_message_close_container(m);
        if (r >= 0)
            r = sd_bus_message_close_container(m);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}
