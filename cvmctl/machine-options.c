/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine-options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPT_KERNEL = OPTION_SHARED + 200,
    OPT_INITRD,
    OPT_KERNEL_IMAGE,
    OPT_INITRD_IMAGE,
    OPT_CMDLINE,
    OPT_MEMORY,
    OPT_VCPUS,
    OPT_UNPROTECTED,
    OPT_DISK,
    OPT_DESCRIPTION,
    OPT_LABEL,
    OPT_AUTOSTART,
    OPT_RESTART,
    OPT_NETWORK,
    OPT_CPU_SHARES,
    OPT_CPU_QUOTA,
    OPT_IO_WEIGHT,
};

const struct verb_option machine_boot_options[] = {
    {"kernel", OPT_KERNEL, "FILE", "Linux kernel, a bzImage"},
    {"initrd", OPT_INITRD, "FILE", "initial RAM disk"},
    {"unprotected", OPT_UNPROTECTED, NULL, "an ordinary VM, which the host can read"},
    {0},
};

const struct verb_option machine_options[] = {
    {"kernel-image", OPT_KERNEL_IMAGE, "IMAGE", "a kernel that was imported, instead of --kernel"},
    {"initrd-image", OPT_INITRD_IMAGE, "IMAGE", "an initrd that was imported, instead of --initrd"},
    {"cmdline", OPT_CMDLINE, "TEXT", "kernel command line"},
    {"memory", OPT_MEMORY, "SIZE", "in MiB, or with K, M, G, T"},
    {"vcpus", OPT_VCPUS, "N", "virtual CPUs, 1 if not given"},
    {"disk", OPT_DISK, "IMAGE",
     "an imported image or an absolute path; may be repeated, in\nthe order of the guest's disks"},
    {"network", OPT_NETWORK, "NETWORK", "none, network:NAME (of libvirt), bridge:NAME"},
    {"description", OPT_DESCRIPTION, "TEXT", "for people"},
    {"label", OPT_LABEL, "KEY=VALUE", "for programs; may be repeated"},
    {"autostart", OPT_AUTOSTART, "yes|no", "start it with cvmd"},
    {"restart", OPT_RESTART, "no|on-failure|always", "start it again when it ends"},
    {"cpu-shares", OPT_CPU_SHARES, "N", "its share when CPUs are short, 2 to 10000"},
    {"cpu-quota", OPT_CPU_QUOTA, "PERCENT", "at most so much of one CPU, 0: no limit"},
    {"io-weight", OPT_IO_WEIGHT, "N", "its share when disks are busy, 10 to 1000"},
    {0},
};

void machine_request_init(struct machine_request *q) {
    *q = (struct machine_request){.options = json_object_new_object(), .kernel_fd = -1, .initrd_fd = -1};
}

void machine_request_done(struct machine_request *q) {
    json_object_put(q->options);
    if (q->kernel_fd >= 0)
        close(q->kernel_fd);
    if (q->initrd_fd >= 0)
        close(q->initrd_fd);
}

bool machine_request_has(const struct machine_request *q, const char *key) {
    return json_object_object_get_ex(q->options, key, NULL);
}

static void set_string(struct machine_request *q, const char *key, const char *s) {
    json_object_object_add(q->options, key, json_object_new_string(s));
}

static json_object *member(struct machine_request *q, const char *key, json_object *(*make)(void)) {
    json_object *v = NULL;

    if (!json_object_object_get_ex(q->options, key, &v)) {
        v = make();
        json_object_object_add(q->options, key, v);
    }
    return v;
}

static int set_number(struct machine_request *q, const char *verb, const char *option, const char *key,
                      const char *arg, uint64_t min, uint64_t max) {
    uint64_t v;

    if (parse_number(arg, min, max, &v) < 0)
        return usage_error(verb, "--%s %s is no number from %llu on", option, arg, (unsigned long long)min);
    json_object_object_add(q->options, key, json_object_new_uint64(v));
    return -1;
}

static int set_label(struct machine_request *q, const char *verb, const char *arg) {
    const char *value = strchr(arg, '=');
    _cleanup_free_ char *key = value ? strndup(arg, (size_t)(value - arg)) : NULL;

    if (!key || !key[0])
        return usage_error(verb, "--label %s is no KEY=VALUE", arg);
    json_object_object_add(member(q, "Labels", json_object_new_object), key,
                           json_object_new_string(value + 1));
    return -1;
}

static int set_boolean(struct machine_request *q, const char *verb, const char *key, const char *option,
                       const char *arg) {
    bool yes = strcmp(arg, "yes") == 0;

    if (!yes && strcmp(arg, "no") != 0)
        return usage_error(verb, "--%s %s is neither yes nor no", option, arg);
    json_object_object_add(q->options, key, json_object_new_boolean(yes));
    return -1;
}

int machine_request_take(struct machine_request *q, const char *verb, int opt, const char *arg) {
    uint64_t v;

    switch (opt) {
    case OPT_KERNEL:
        q->kernel = arg;
        return -1;
    case OPT_INITRD:
        q->initrd = arg;
        return -1;
    case OPT_KERNEL_IMAGE:
        set_string(q, "KernelImage", arg);
        return -1;
    case OPT_INITRD_IMAGE:
        set_string(q, "InitrdImage", arg);
        return -1;
    case OPT_CMDLINE:
        set_string(q, "CommandLine", arg);
        return -1;
    case OPT_MEMORY:
        if (parse_memory(arg, &v) < 0)
            return usage_error(verb, "--memory %s is no size (512M, 2G, or a number of MiB)", arg);
        json_object_object_add(q->options, "Memory", json_object_new_uint64(v));
        return -1;
    case OPT_VCPUS:
        return set_number(q, verb, "vcpus", "VCPUs", arg, 1, UINT32_MAX);
    case OPT_UNPROTECTED:
        json_object_object_add(q->options, "Unprotected", json_object_new_boolean(true));
        return -1;
    case OPT_DISK:
        json_object_array_add(member(q, "Disks", json_object_new_array), json_object_new_string(arg));
        return -1;
    case OPT_DESCRIPTION:
        set_string(q, "Description", arg);
        return -1;
    case OPT_LABEL:
        return set_label(q, verb, arg);
    case OPT_AUTOSTART:
        return set_boolean(q, verb, "Autostart", "autostart", arg);
    case OPT_RESTART:
        set_string(q, "Restart", arg);
        return -1;
    case OPT_NETWORK:
        set_string(q, "Network", arg);
        return -1;
    case OPT_CPU_SHARES:
        return set_number(q, verb, "cpu-shares", "CPUShares", arg, 0, UINT32_MAX);
    case OPT_CPU_QUOTA:
        return set_number(q, verb, "cpu-quota", "CPUQuota", arg, 0, UINT32_MAX);
    case OPT_IO_WEIGHT:
        return set_number(q, verb, "io-weight", "IOWeight", arg, 0, UINT32_MAX);
    default:
        return -1;
    }
}

int open_regular(const char *verb, const char *what, const char *path, int *ret) {
    struct stat st;

    *ret = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*ret < 0)
        return fail(verb, EXIT_FAILED, "the %s '%s' cannot be opened: %s", what, path, strerror(errno));
    if (fstat(*ret, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(*ret);
        *ret = -1;
        return fail(verb, EXIT_FAILED, "the %s '%s' is not a regular file", what, path);
    }
    return 0;
}

int machine_request_open(struct machine_request *q, const char *verb) {
    int r = 0;

    if (q->kernel)
        r = open_regular(verb, "kernel", q->kernel, &q->kernel_fd);
    if (r == 0 && q->initrd)
        r = open_regular(verb, "initrd", q->initrd, &q->initrd_fd);
    return r;
}
