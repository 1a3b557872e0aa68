/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include "cvm/report.h"
#include "domain-xml.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

static const struct {
    const char *name, *signature;
} names[OPTION_MAX] = {
    [OPTION_KERNEL] = {"Kernel", "h"},
    [OPTION_INITRD] = {"Initrd", "h"},
    [OPTION_KERNEL_IMAGE] = {"KernelImage", "s"},
    [OPTION_INITRD_IMAGE] = {"InitrdImage", "s"},
    [OPTION_COMMAND_LINE] = {"CommandLine", "s"},
    [OPTION_MEMORY] = {"Memory", "t"},
    [OPTION_VCPUS] = {"VCPUs", "u"},
    [OPTION_UNPROTECTED] = {"Unprotected", "b"},
    [OPTION_DESCRIPTION] = {"Description", "s"},
    [OPTION_LABELS] = {"Labels", "a{ss}"},
    [OPTION_AUTOSTART] = {"Autostart", "b"},
    [OPTION_RESTART] = {"Restart", "s"},
    [OPTION_CPU_SHARES] = {"CPUShares", "t"},
    [OPTION_CPU_QUOTA] = {"CPUQuota", "u"},
    [OPTION_IO_WEIGHT] = {"IOWeight", "u"},
    [OPTION_NETWORK] = {"Network", "s"},
    [OPTION_DISKS] = {"Disks", "as"},
};

static const char *const restart_policies[RESTART_POLICY_MAX] = {
    [RESTART_NO] = "no",
    [RESTART_ON_FAILURE] = "on-failure",
    [RESTART_ALWAYS] = "always",
};

const char *restart_policy_to_string(enum restart_policy p) {
    return p < RESTART_POLICY_MAX ? restart_policies[p] : NULL;
}

int restart_policy_from_string(const char *s) {
    for (int i = 0; i < RESTART_POLICY_MAX; i++)
        if (strcmp(s, restart_policies[i]) == 0)
            return i;
    return -EINVAL;
}

void options_init(struct machine_options *o) {
    *o = (struct machine_options){.kernel_fd = -1, .initrd_fd = -1, .vcpus = 1};
}

void options_done(struct machine_options *o) {
    free(o->labels);
    free(o->disks);
    o->labels = o->disks = NULL;
}

static int find(const char *key) {
    for (int i = 0; i < OPTION_MAX; i++)
        if (strcmp(names[i].name, key) == 0)
            return i;
    return -ENOENT;
}

const char *option_signature(const char *key) {
    int i = find(key);

    return i < 0 ? NULL : names[i].signature;
}

bool digest_is_valid(const char *s) {
    size_t n = strspn(s, "0123456789abcdef");

    return n == 2 * CVM_DIGEST_SIZE && s[n] == 0;
}

static int image_digest(const char *key, const char *s, const char **ret, struct cvm_error *e) {
    if (s[0] && !digest_is_valid(s))
        return cvm_error_set(e, -EINVAL,
                             "%s '%.100s' is no digest (96 lower-case hexadecimal digits, SHA-384)", key, s);
    *ret = s;
    return 0;
}

/* Free text in one line; D-Bus strings are UTF-8 already. */
static bool is_plain(const char *s, size_t max) {
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return false;
    return n <= max;
}

static bool is_word(const char *s, size_t max, const char *more) {
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) && !strchr(more, s[i])))
            return false;
    return n > 0 && n <= max;
}

static int compare_pairs(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int labels(struct machine_options *o, const char *const *l, struct cvm_error *e) {
    const char *pairs[LABELS_MAX][2];
    size_t n = 0, size = 1;
    char *p;

    for (; l[0]; l += 2, n++) {
        if (n == LABELS_MAX)
            return cvm_error_set(e, -E2BIG, "more than %u labels", LABELS_MAX);
        if (!is_word(l[0], 63, "._-/"))
            return cvm_error_set(
                e, -EINVAL,
                "a label's name has 1 to 63 letters, digits, '.', '_', '-', '/': '%.70s' does not", l[0]);
        if (!is_plain(l[1], 255))
            return cvm_error_set(
                e, -EINVAL, "the value of label '%s' has a control character or more than 255 bytes", l[0]);
        pairs[n][0] = l[0];
        pairs[n][1] = l[1];
        size += strlen(l[0]) + strlen(l[1]) + 2;
    }
    qsort(pairs, n, sizeof(pairs[0]), compare_pairs);
    for (size_t i = 1; i < n; i++)
        if (strcmp(pairs[i][0], pairs[i - 1][0]) == 0)
            return cvm_error_set(e, -EINVAL, "label '%s' is given twice", pairs[i][0]);
    p = o->labels = malloc(size);
    if (!p)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    *p = 0;
    for (size_t i = 0; i < n; i++) {
        p = stpcpy(p, pairs[i][0]);
        *p++ = '=';
        p = stpcpy(p, pairs[i][1]);
        *p++ = '\n';
        *p = 0;
    }
    return 0;
}

static int disks(struct machine_options *o, const char *const *l, struct cvm_error *e) {
    size_t n = 0, size = 1;
    char *p;

    for (; l[n]; n++) {
        if (n == DISKS_MAX)
            return cvm_error_set(e, -E2BIG, "more than %u disks", DISKS_MAX);
        if (!digest_is_valid(l[n]) && (l[n][0] != '/' || !is_plain(l[n], PATH_MAX - 1)))
            return cvm_error_set(e, -EINVAL,
                                 "disk '%.100s' is neither an image's digest nor an absolute path", l[n]);
        size += strlen(l[n]) + 1;
    }
    p = o->disks = malloc(size);
    if (!p)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    *p = 0;
    for (size_t i = 0; i < n; i++) {
        p = stpcpy(p, l[i]);
        *p++ = '\n';
        *p = 0;
    }
    return 0;
}

static int network(struct machine_options *o, const char *s, struct cvm_error *e) {
    const char *name = strchr(s, ':');

    if (strcmp(s, "none") != 0 && !(strncmp(s, "network:", 8) == 0 && is_word(name + 1, 50, "._-")) &&
        !(strncmp(s, "bridge:", 7) == 0 && is_word(name + 1, 15, "._-")))
        return cvm_error_set(e, -EINVAL,
                             "network '%.80s' is neither 'none' nor 'network:NAME' nor 'bridge:NAME'", s);
    o->network = s;
    return 0;
}

static int number(const char *key, uint64_t v, uint64_t min, uint64_t max, struct cvm_error *e) {
    if (v != 0 && (v < min || v > max))
        return cvm_error_set(e, -ERANGE, "%s is %llu: must be 0 (default) or %llu to %llu", key,
                             (unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
    return 0;
}

static int restart(struct machine_options *o, const char *s, struct cvm_error *e) {
    int r = restart_policy_from_string(s);

    if (r < 0)
        return cvm_error_set(e, r, "restart policy '%.40s' is neither 'no' nor 'on-failure' nor 'always'", s);
    o->restart = (enum restart_policy)r;
    return 0;
}

static int take(struct machine_options *o, enum machine_option k, const char *key,
                const union option_value *v, struct cvm_error *e) {
    switch (k) {
    case OPTION_KERNEL:
        o->kernel_fd = v->fd;
        return 0;
    case OPTION_INITRD:
        o->initrd_fd = v->fd;
        return 0;
    case OPTION_KERNEL_IMAGE:
        if (!v->s[0])
            return cvm_error_set(e, -EINVAL, "a machine needs a kernel");
        return image_digest(key, v->s, &o->kernel_image, e);
    case OPTION_INITRD_IMAGE:
        return image_digest(key, v->s, &o->initrd_image, e);
    case OPTION_COMMAND_LINE:
        o->cmdline = v->s;
        return 0;
    case OPTION_MEMORY:
        o->memory = v->u;
        return 0;
    case OPTION_VCPUS:
        o->vcpus = (uint32_t)v->u;
        return 0;
    case OPTION_UNPROTECTED:
        o->unprotected = v->u;
        return 0;
    case OPTION_DESCRIPTION:
        if (!is_plain(v->s, DESCRIPTION_MAX))
            return cvm_error_set(e, -EINVAL, "the description has a control character or more than %u bytes",
                                 DESCRIPTION_MAX);
        o->description = v->s;
        return 0;
    case OPTION_LABELS:
        return labels(o, v->l, e);
    case OPTION_AUTOSTART:
        o->autostart = v->u;
        return 0;
    case OPTION_RESTART:
        return restart(o, v->s, e);
    case OPTION_CPU_SHARES:
        o->cpu_shares = v->u;
        return number(key, v->u, 2, CPU_SHARES_MAX, e);
    case OPTION_CPU_QUOTA:
        o->cpu_quota = (uint32_t)v->u;
        return number(key, v->u, 1, 100000, e);
    case OPTION_IO_WEIGHT:
        o->io_weight = (uint32_t)v->u;
        return number(key, v->u, 10, 1000, e);
    case OPTION_NETWORK:
        return network(o, v->s, e);
    case OPTION_DISKS:
        return disks(o, v->l, e);
    case OPTION_MAX:
        break;
    }
    return -ENOENT;
}

int option_set(struct machine_options *o, const char *key, const char *signature, const union option_value *v,
               struct cvm_error *e) {
    int i = find(key), r;

    if (i < 0)
        return cvm_error_set(e, -ENOENT, "option '%.64s' of type '%.16s' is not known", key, signature);
    if (strcmp(signature, names[i].signature) != 0)
        return cvm_error_set(e, -EMEDIUMTYPE, "option '%s' has type '%.16s', not '%s'", key, signature,
                             names[i].signature);
    if (option_given(o, (enum machine_option)i))
        return cvm_error_set(e, -EEXIST, "option '%s' is given twice", key);
    r = take(o, (enum machine_option)i, key, v, e);
    if (r >= 0)
        o->set |= 1u << i;
    return r;
}
