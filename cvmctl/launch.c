/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl launch */
#include "client.h"
#include "machine-fields.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct launch_options {
    const char *name, *kernel, *initrd, *cmdline;
    uint64_t memory, vcpus;
    bool unprotected;
};

enum { OPT_KERNEL = OPTION_LONG, OPT_INITRD, OPT_CMDLINE, OPT_MEMORY, OPT_VCPUS, OPT_UNPROTECTED };

const struct verb_option launch_options[] = {
    {"kernel", OPT_KERNEL, "FILE", "Linux kernel, a bzImage"},
    {"initrd", OPT_INITRD, "FILE", "initial RAM disk"},
    {"cmdline", OPT_CMDLINE, "TEXT", "kernel command line"},
    {"memory", OPT_MEMORY, "SIZE", "in MiB, or with K, M, G, T"},
    {"vcpus", OPT_VCPUS, "N", "virtual CPUs, 1 if not given"},
    {"unprotected", OPT_UNPROTECTED, NULL, "an ordinary VM, which the host can read"},
    {0},
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct launch_options *o) {
    int c;

    o->vcpus = 1;
    while ((c = verb_getopt(argc, argv)) >= 0)
        switch (c) {
        case OPT_KERNEL:
            o->kernel = optarg;
            break;
        case OPT_INITRD:
            o->initrd = optarg;
            break;
        case OPT_CMDLINE:
            o->cmdline = optarg;
            break;
        case OPT_MEMORY:
            if (parse_memory(optarg, &o->memory) < 0)
                return usage_error(argv[0], "--memory %s is no size (512M, 2G, or a number of MiB)", optarg);
            break;
        case OPT_VCPUS:
            if (parse_number(optarg, 1, UINT32_MAX, &o->vcpus) < 0)
                return usage_error(argv[0], "--vcpus %s is no number from 1 on", optarg);
            break;
        case OPT_UNPROTECTED:
            o->unprotected = true;
            break;
        }
    o->name = argv[optind];
    if (!o->kernel || !o->memory)
        return usage_error(argv[0], "--%s is missing", o->kernel ? "memory" : "kernel");
    return -1;
}

/* The file is opened here, with the caller's rights; cvmd gets the descriptor. */
static int open_file(const char *what, const char *path, int *ret) {
    struct stat st;

    *ret = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*ret < 0)
        return fail("launch", EXIT_FAILED, "the %s '%s' cannot be opened: %s", what, path, strerror(errno));
    if (fstat(*ret, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(*ret);
        *ret = -1;
        return fail("launch", EXIT_FAILED, "the %s '%s' is not a regular file", what, path);
    }
    return 0;
}

static int append_request(sd_bus_message *m, const struct launch_options *o, int kernel, int initrd) {
    int r;

    r = sd_bus_message_append(m, "s", o->name);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "Kernel", "h", kernel, "Memory", "t", o->memory,
                                  "VCPUs", "u", (uint32_t)o->vcpus, "Unprotected", "b", (int)o->unprotected);
    if (r >= 0 && initrd >= 0)
        r = sd_bus_message_append(m, "{sv}", "Initrd", "h", initrd);
    if (r >= 0 && o->cmdline)
        r = sd_bus_message_append(m, "{sv}", "CommandLine", "s", o->cmdline);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int launch(sd_bus *bus, const struct launch_options *o, int kernel, int initrd) {
    _cleanup_message_ sd_bus_message *m = NULL;
    int r;

    r = sd_bus_message_new_method_call(bus, &m, "org.cvmd1", "/org/cvmd1", "org.cvmd1.Manager", "Launch");
    if (r >= 0)
        r = append_request(m, o, kernel, initrd);
    if (r == -EINVAL)
        return fail("launch", EXIT_USAGE, "the name or the command line is not UTF-8");
    return r < 0 ? client_fail("launch", r, NULL) : client_operation("launch", bus, m);
}

int verb_launch(int argc, char **argv) {
    _cleanup_json_ json_object *p = NULL, *j = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
    struct launch_options o = {0};
    int r, kernel = -1, initrd = -1;

    r = parse_options(argc, argv, &o);
    if (r >= 0)
        return r;
    r = open_file("kernel", o.kernel, &kernel);
    if (r == 0 && o.initrd)
        r = open_file("initrd", o.initrd, &initrd);
    if (r == 0)
        r = client_connect(argv[0], &bus);
    if (r == 0)
        r = launch(bus, &o, kernel, initrd);
    if (kernel >= 0)
        close(kernel);
    if (initrd >= 0)
        close(initrd);
    if (r != 0)
        return r;
    if (arg_json) {
        r = client_machine(argv[0], bus, o.name, &p);
        if (r != 0)
            return r;
        j = machine_to_json(p);
        return print_json(j);
    }
    say("Machine '%s' runs%s.\n", o.name,
        o.unprotected ? ", not protected: the host can read it" : " protected");
    return EXIT_OK;
}
