/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files make the configuration; what of it can change while cvmd runs. */
#include "config.h"

#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "cvmd/cvmd.conf"

/* Ascending precedence, as systemd.unit(5) has it. */
static const char *const places[] = {"/usr/lib", "/run", "/etc"};

/* A drop-in: its name decides order and which of several directories counts. */
struct drop_in {
    char *name, *path;
};

struct drop_ins {
    struct drop_in *list;
    size_t n;
};

static void drop_ins_done(struct drop_ins *d) {
    for (size_t i = 0; i < d->n; i++) {
        free(d->list[i].name);
        free(d->list[i].path);
    }
    free(d->list);
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct drop_in *)a)->name, ((const struct drop_in *)b)->name);
}

/* The later directory wins. */
static int add(struct drop_ins *d, const char *directory, const char *name) {
    struct drop_in *p;
    char *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->list[i].name, name) == 0) {
            free(d->list[i].path);
            d->list[i].path = path;
            return 0;
        }
    p = reallocarray(d->list, d->n + 1, sizeof(*p));
    if (p)
        d->list = p;
    if (p)
        p[d->n].name = strdup(name);
    if (!p || !p[d->n].name) {
        free(path);
        return -ENOMEM;
    }
    p[d->n++].path = path;
    return 0;
}

static int add_directory(struct drop_ins *d, const char *directory) {
    struct dirent *de;
    DIR *dir = opendir(directory);
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    while (r >= 0 && (de = readdir(dir))) {
        size_t n = strlen(de->d_name);

        if (de->d_name[0] != '.' && n > 5 && strcmp(de->d_name + n - 5, ".conf") == 0)
            r = add(d, directory, de->d_name);
    }
    closedir(dir);
    return r;
}

static int read_drop_ins(struct config *c, struct drop_ins *d, struct cvm_error *e) {
    int r = 0;

    if (d->n)
        qsort(d->list, d->n, sizeof(*d->list), compare);
    for (size_t i = 0; r >= 0 && i < d->n; i++)
        r = config_read(c, d->list[i].path, false, e);
    return r;
}

static int load_file(struct config *c, const char *file, struct cvm_error *e) {
    _cleanup_(drop_ins_done) struct drop_ins d = {0};
    _cleanup_free_ char *directory = NULL;
    int r;

    r = config_read(c, file, true, e);
    if (r < 0)
        return r;
    if (asprintf(&directory, "%s.d", file) < 0)
        return -ENOMEM;
    r = add_directory(&d, directory);
    return r < 0 ? cvm_error_set(e, r, "cannot read %s: %s", directory, strerror(-r))
                 : read_drop_ins(c, &d, e);
}

/* Of the files the last place counts, as a whole; drop-ins add up. */
static int load_system(struct config *c, const char *root, struct cvm_error *e) {
    _cleanup_(drop_ins_done) struct drop_ins d = {0};
    bool have_file = false;
    int r = 0;

    for (unsigned i = ELEMENTSOF(places); r >= 0 && i > 0 && !have_file; i--) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s%s/" FILE_NAME, root, places[i - 1]) < 0)
            return -ENOMEM;
        have_file = access(path, F_OK) == 0;
        if (have_file)
            r = config_read(c, path, true, e);
    }
    for (unsigned i = 0; r >= 0 && i < ELEMENTSOF(places); i++) {
        _cleanup_free_ char *directory = NULL;

        if (asprintf(&directory, "%s%s/" FILE_NAME ".d", root, places[i]) < 0)
            return -ENOMEM;
        r = add_directory(&d, directory);
        if (r < 0)
            return cvm_error_set(e, r, "cannot read %s: %s", directory, strerror(-r));
    }
    return r < 0 ? r : read_drop_ins(c, &d, e);
}

static int override(char **p, const char *s) {
    return s ? free_and_strdup(p, s) : 0;
}

int config_load(struct config *c, const struct config_source *source, struct cvm_error *e) {
    int r = config_init(c);

    if (r >= 0)
        r = source->file ? load_file(c, source->file, e) : load_system(c, source->root ?: "", e);
    if (r < 0)
        return r == -ENOMEM ? cvm_error_set(e, r, "out of memory") : r;
    if (override(&c->libvirt_uri, source->libvirt_uri) < 0 ||
        override(&c->state_directory, source->state_directory) < 0 ||
        override(&c->firmware, source->firmware) < 0 || override(&c->domain_type, source->domain_type) < 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    return 0;
}

const char *config_adopt(struct config *c, struct config *from) {
    char *firmware = c->firmware, *gateway_user = c->gateway_user;

    c->firmware = from->firmware;
    from->firmware = firmware;
    c->gateway_user = from->gateway_user;
    from->gateway_user = gateway_user;
    c->memory_backing_auto = from->memory_backing_auto;
    c->memory_backing = from->memory_backing;
    c->launch_timeout = from->launch_timeout;
    c->stop_timeout = from->stop_timeout;
    c->operation_keep = from->operation_keep;
    c->outside_look = from->outside_look;
    c->authorization_timeout = from->authorization_timeout;
    if (strcmp(c->state_directory, from->state_directory) != 0)
        return "StateDirectory";
    if (strcmp(c->libvirt_uri, from->libvirt_uri) != 0)
        return "LibvirtURI";
    if (strcmp(c->tpm, from->tpm) != 0 || strcmp(c->tpm_event_log, from->tpm_event_log) != 0 ||
        c->tpm_quotes_per_minute != from->tpm_quotes_per_minute)
        return "TPM, TPMEventLog, TPMQuotesPerMinute";
    return NULL;
}
