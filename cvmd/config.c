/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "util.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_FILE_MAX (1u << 20)
#define HUGEPAGE_SIZE (2ull << 20)
#define HUGEPAGES_FREE "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

int config_init(struct config *c) {
    *c = (struct config){
        .state_directory = strdup("/var/lib/cvmd"),
        .libvirt_uri = strdup("qemu:///system"),
        .firmware = strdup("/usr/lib/cvmd/cvmboot.rom"),
        .domain_type = strdup("kvm"),
        .gateway_user = strdup("cvmd-rest"),
        .tpm = strdup("device:/dev/tpmrm0"),
        .tpm_event_log = strdup("/sys/firmware/acpi/tables/CVML"),
        .tpm_quotes_per_minute = 30,
        .memory_backing_auto = true,
        .launch_timeout = 180,
        .stop_timeout = 30,
        .operation_keep = 86400,
        .outside_look = 60,
        .authorization_timeout = 120,
    };
    return c->state_directory && c->libvirt_uri && c->firmware && c->domain_type && c->gateway_user && c->tpm &&
                   c->tpm_event_log
               ? 0
               : -ENOMEM;
}

void config_done(struct config *c) {
    free(c->state_directory);
    free(c->libvirt_uri);
    free(c->firmware);
    free(c->domain_type);
    free(c->gateway_user);
    free(c->tpm);
    free(c->tpm_event_log);
    *c = (struct config){0};
}

static int parse_seconds(const char *s, uint32_t max, uint32_t *ret) {
    char *end;
    unsigned long v;

    errno = 0;
    v = strtoul(s, &end, 10);
    if (s[0] < '0' || s[0] > '9' || *end || errno || v < 1 || v > max)
        return -EINVAL;
    *ret = (uint32_t)v;
    return 0;
}

static int parse_path(const char *s, char **p) {
    return s[0] == '/' ? free_and_strdup(p, s) : -EINVAL;
}

static int parse_backing(struct config *c, const char *s) {
    int b;

    c->memory_backing_auto = strcmp(s, "auto") == 0;
    if (c->memory_backing_auto)
        return 0;
    b = memory_backing_from_string(s);
    if (b < 0)
        return b;
    c->memory_backing = (enum memory_backing)b;
    return 0;
}

struct parser {
    struct config *c;
    char text[256]; /* what is wrong with the first bad line */
};

static int on_value(void *userdata, const char *section, const char *key, const char *value) {
    struct parser *p = userdata;
    struct config *c = p->c;
    const char *want;
    int r;

    if (p->text[0]) /* the parser goes on behind an error; the first one is told */
        return 0;
    if (strcmp(section, "cvmd") != 0) {
        snprintf(p->text, sizeof(p->text), "section [%s] is unknown, there is [cvmd] only", section);
        return 0;
    }
    if (strcmp(key, "StateDirectory") == 0) {
        want = "an absolute path";
        r = parse_path(value, &c->state_directory);
    } else if (strcmp(key, "Firmware") == 0) {
        want = "an absolute path";
        r = parse_path(value, &c->firmware);
    } else if (strcmp(key, "LibvirtURI") == 0) {
        want = "a URI";
        r = value[0] ? free_and_strdup(&c->libvirt_uri, value) : -EINVAL;
    } else if (strcmp(key, "GatewayUser") == 0) {
        want = "a user's name";
        r = value[0] ? free_and_strdup(&c->gateway_user, value) : -EINVAL;
    } else if (strcmp(key, "MemoryBacking") == 0) {
        want = "auto, pageable, locked or hugepages";
        r = parse_backing(c, value);
    } else if (strcmp(key, "LaunchTimeoutSec") == 0) {
        want = "1 to 86400";
        r = parse_seconds(value, 86400, &c->launch_timeout);
    } else if (strcmp(key, "StopTimeoutSec") == 0) {
        want = "1 to 86400";
        r = parse_seconds(value, 86400, &c->stop_timeout);
    } else if (strcmp(key, "OperationKeepSec") == 0) {
        want = "1 to 31536000";
        r = parse_seconds(value, 31536000, &c->operation_keep);
    } else if (strcmp(key, "OutsideLookSec") == 0) {
        want = "1 to 86400";
        r = parse_seconds(value, 86400, &c->outside_look);
    } else if (strcmp(key, "AuthorizationTimeoutSec") == 0) {
        want = "1 to 86400";
        r = parse_seconds(value, 86400, &c->authorization_timeout);
    } else if (strcmp(key, "TPM") == 0) {
        want = "none, or how tpm2-tss reaches the TPM: device:/dev/tpmrm0";
        r = value[0] ? free_and_strdup(&c->tpm, strcmp(value, "none") == 0 ? "" : value) : -EINVAL;
    } else if (strcmp(key, "TPMEventLog") == 0) {
        want = "an absolute path";
        r = parse_path(value, &c->tpm_event_log);
    } else if (strcmp(key, "TPMQuotesPerMinute") == 0) {
        want = "1 to 100000";
        r = parse_seconds(value, 100000, &c->tpm_quotes_per_minute);
    } else {
        snprintf(p->text, sizeof(p->text), "%s is no setting of [cvmd]", key);
        return 0;
    }
    if (r < 0) {
        snprintf(p->text, sizeof(p->text), "%s=%s: must be %s", key, value, want);
        return 0;
    }
    return 1;
}

int config_parse(struct config *c, const char *text, const char *name, struct cvm_error *e) {
    struct parser p = {.c = c};
    int r = ini_parse_string(text, on_value, &p);

    if (r > 0)
        return cvm_error_set(e, -EINVAL, "%s, line %d: %s", name, r,
                             p.text[0] ? p.text : "no [section] and no KEY=VALUE");
    return r < 0 ? cvm_error_set(e, -ENOMEM, "cannot read %s", name) : 0;
}

int config_read(struct config *c, const char *path, bool must_exist, struct cvm_error *e) {
    _cleanup_free_ void *text = NULL;
    struct stat st;
    size_t size;
    int r;

    /* A link to /dev/null masks a file of that name elsewhere. */
    if (stat(path, &st) == 0 && S_ISCHR(st.st_mode))
        return 0;
    r = cvm_read_file(path, CONFIG_FILE_MAX, &text, &size, NULL);
    if (r == -ENOENT && !must_exist)
        return 0;
    if (r < 0)
        return cvm_error_set(e, r, "cannot read %s: %s", path, strerror(-r));
    if (memchr(text, 0, size))
        return cvm_error_set(e, -EINVAL, "%s holds a NUL byte", path);
    return config_parse(c, text, path, e);
}

enum memory_backing config_backing(const struct config *c, uint64_t memory) {
    _cleanup_free_ char *s = NULL;

    if (!c->memory_backing_auto)
        return c->memory_backing;
    if (read_line_file(HUGEPAGES_FREE, &s) == 0 && strtoull(s, NULL, 10) * HUGEPAGE_SIZE >= memory)
        return MEMORY_HUGEPAGES;
    return MEMORY_PAGEABLE;
}
