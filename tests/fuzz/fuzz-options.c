// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: cvmd/options.c cvmd/config.c cvmd/util.c cvmd/domain-xml.c cvmd/validate.c attest/util.c attest/bzimage.c
// CFLAGS: -I/usr/include/libxml2
// LIBS: -lxml2 -linih
// What callers and admins write: options of a machine as they come over D-Bus, and cvmd.conf. The input is lines
// "KEY\tTYPE\tVALUE[\tVALUE...]"; the whole of it is read as a configuration, too. What is taken must be well-formed,
// and come out of the domain XML.
#include <stdlib.h>
#include <string.h>

#include "cvmd/config.h"
#include "cvmd/domain-xml.h"
#include "cvmd/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VALUES_MAX 200u

static void one_option(struct machine_options *o, char *line) {
    const char *values[VALUES_MAX + 2] = {0};
    char *key = strsep(&line, "\t"), *type = line ? strsep(&line, "\t") : NULL;
    union option_value v = {0};
    const char *want = option_signature(key);
    struct cvm_error e = {0};
    unsigned n = 0;

    if (!type)
        return;
    while (line && n < VALUES_MAX)
        values[n++] = strsep(&line, "\t");
    if (strcmp(type, "a{ss}") == 0)
        values[n & ~1u] = NULL; /* sd-bus gives pairs */
    if (type[0] == 'a')
        v.l = values;
    else if (strcmp(type, "s") == 0)
        v.s = values[0] ? values[0] : "";
    else if (strcmp(type, "h") == 0)
        v.fd = 0;
    else
        v.u = strtoull(values[0] ? values[0] : "0", NULL, 0);
    if (strcmp(type, "u") == 0)
        v.u &= UINT32_MAX;
    if (option_set(o, key, type, &v, &e) == 0 && (!want || strcmp(want, type) != 0))
        abort();
}

static void check(const struct machine_options *o) {
    struct domain_shape s = {.type = "kvm", .name = "n", .uuid = "01234567-89ab-4def-8123-456789abcdef", .memory = 1 << 26,
                             .vcpus = 1, .kernel = "/k", .console_log = "/l", .cpu_shares = o->cpu_shares,
                             .cpu_quota = o->cpu_quota, .io_weight = o->io_weight};
    unsigned lines = 0;
    char *xml;

    for (const char *p = o->labels; p && *p; p = strchr(p, '\n') + 1)
        if (++lines > LABELS_MAX || strcspn(p, "=") == 0 || strcspn(p, "=") > strcspn(p, "\n"))
            abort();
    lines = 0;
    for (const char *p = o->disks; p && *p; p = strchr(p, '\n') + 1)
        if (++lines > DISKS_MAX || (p[0] != '/' && strcspn(p, "\n") != 96))
            abort();
    if (option_given(o, OPTION_NETWORK))
        s.network = o->network;
    if (option_given(o, OPTION_KERNEL_IMAGE) && !digest_is_valid(o->kernel_image))
        abort();
    if (domain_xml(&s, &xml) == 0)
        free(xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), *rest = text;
    struct machine_options o;
    struct cvm_error e;
    struct config c;

    memcpy(text, data, size);
    text[size] = 0;
    if (config_init(&c) == 0 && config_parse(&c, text, "fuzz", &e) == 0 &&
        (c.state_directory[0] != '/' || c.firmware[0] != '/' || c.stop_timeout < 1 || c.launch_timeout < 1))
        abort();
    config_done(&c);
    options_init(&o);
    while (rest)
        one_option(&o, strsep(&rest, "\n"));
    check(&o);
    options_done(&o);
    free(text);
    return 0;
}
