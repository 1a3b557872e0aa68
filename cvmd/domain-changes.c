/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-changes.h"

#include "domain-xml.h"
#include "util.h"

#include <errno.h>
#include <libxml/parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NO_QUOTA 17592186044415ll /* from here on libvirt means none */

struct text {
    char *s;
    size_t n;
};

/* Another part. The names come from others. */
__attribute__((format(printf, 2, 3))) static void tell(struct text *t, const char *format, ...) {
    size_t from = t->n;
    va_list args;

    if (from)
        t->n += (size_t)snprintf(t->s + from, DOMAIN_CHANGES_MAX - from, "; ");
    if (t->n < DOMAIN_CHANGES_MAX) {
        va_start(args, format);
        t->n += (size_t)vsnprintf(t->s + t->n, DOMAIN_CHANGES_MAX - t->n, format, args);
        va_end(args);
    }
    if (t->n > DOMAIN_CHANGES_MAX - 1)
        t->n = DOMAIN_CHANGES_MAX - 1;
    for (char *p = t->s + from; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

static bool is(const xmlNode *n, const char *name) {
    return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

static xmlNode *child(const xmlNode *of, const char *name) {
    for (xmlNode *n = of ? of->children : NULL; n; n = n->next)
        if (is(n, name))
            return n;
    return NULL;
}

/* NULL: it has none. The caller frees. */
static char *attribute(xmlNode *n, const char *name) {
    return n ? (char *)xmlGetNoNsProp(n, BAD_CAST name) : NULL;
}

static long long number(xmlNode *n) {
    _cleanup_free_ char *s = n ? (char *)xmlNodeGetContent(n) : NULL;

    return s ? strtoll(s, NULL, 10) : 0;
}

/* What cvmd gave it. */
static xmlNode *given(const xmlNode *domain) {
    xmlNode *metadata = child(domain, "metadata");

    for (xmlNode *n = metadata ? metadata->children : NULL; n; n = n->next)
        if (is(n, "machine") && n->ns && strcmp((const char *)n->ns->href, DOMAIN_METADATA) == 0)
            return n;
    return NULL;
}

/* A device by what it is known by: a disk's target, an interface's address. */
static char *key_of(xmlNode *device) {
    bool disk = is(device, "disk");

    return attribute(child(device, disk ? "target" : "mac"), disk ? "dev" : "address");
}

static xmlNode *find_given(xmlNode *machine, xmlNode *device, const char *key) {
    for (xmlNode *n = machine->children; n; n = n->next) {
        _cleanup_free_ char *name = is(n, (const char *)device->name) ? attribute(n, "name") : NULL;

        if (name && strcmp(name, key) == 0)
            return n;
    }
    return NULL;
}

static bool is_there(const xmlNode *devices, xmlNode *wanted, const char *name) {
    for (xmlNode *n = devices->children; n; n = n->next) {
        _cleanup_free_ char *key = is(n, (const char *)wanted->name) ? key_of(n) : NULL;

        if (key && strcmp(key, name) == 0)
            return true;
    }
    return false;
}

static void look_at_device(xmlNode *machine, xmlNode *device, struct text *t) {
    _cleanup_free_ char *key = key_of(device), *file = NULL, *want = NULL;
    const char *kind = (const char *)device->name;
    xmlNode *source = child(device, "source"), *g = find_given(machine, device, key ?: "");

    if (!g) {
        tell(t, "%s %.64s was added", kind, key ?: "");
        return;
    }
    want = attribute(g, "source");
    file = attribute(source, "file") ?: attribute(source, "dev");
    if (want && (!file || strcmp(want, file) != 0))
        tell(t, "%s %.64s has another source", kind, key);
    if (child(device, "iotune") || child(device, "bandwidth"))
        tell(t, "%s %.64s is throttled", kind, key);
}

/* What cvmd never asks for, but libvirt adds by itself. */
static bool comes_along(xmlNode *device) {
    static const char *const kinds[] = {"emulator", "controller", "console", "audio", "memballoon"};
    _cleanup_free_ char *bus = is(device, "input") ? attribute(device, "bus") : NULL;

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (is(device, kinds[i]))
            return true;
    return bus && strcmp(bus, "ps2") == 0;
}

static void look_at_devices(xmlNode *machine, const xmlNode *devices, struct text *t) {
    unsigned serials = 0;

    for (xmlNode *n = devices->children; n; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || comes_along(n) || (is(n, "serial") && serials++ == 0))
            continue;
        if (is(n, "disk") || is(n, "interface"))
            look_at_device(machine, n, t);
        else
            tell(t, "a device (%.32s) was added", (const char *)n->name);
    }
    for (xmlNode *n = machine->children; n; n = n->next) {
        _cleanup_free_ char *name = n->type == XML_ELEMENT_NODE ? attribute(n, "name") : NULL;

        if (name && !is_there(devices, n, name))
            tell(t, "%.32s %.64s was removed", (const char *)n->name, name);
    }
}

static void look_at_cpu(const xmlNode *tune, const struct domain_limits *l, struct text *t) {
    uint64_t want = l->cpu_shares < CPU_SHARES_MAX ? l->cpu_shares : CPU_SHARES_MAX;
    long long shares = number(child(tune, "shares")), quota = number(child(tune, "global_quota")),
              period = number(child(tune, "global_period"));
    bool none = quota <= 0 || quota >= NO_QUOTA;

    /* 0 and 100: virt_set_limits() writes the default so. */
    if (want ? shares != (long long)want && shares != (long long)l->cpu_shares : shares != 0 && shares != 100)
        tell(t, "CPU shares are %lld", shares);
    if (l->cpu_quota ? quota != l->cpu_quota * 1000ll || period != 100000 : !none)
        tell(t, none ? "the CPU quota is gone" : "the CPU quota is %lld of %lld", quota, period);
    for (xmlNode *n = tune ? tune->children : NULL; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && !is(n, "shares") && !is(n, "global_quota") && !is(n, "global_period"))
            tell(t, "CPU tuning %.32s was set", (const char *)n->name);
}

static void look_at_io(const xmlNode *tune, const struct domain_limits *l, struct text *t) {
    long long weight = number(child(tune, "weight"));

    if (l->io_weight ? weight != l->io_weight : weight != 0 && weight != 100)
        tell(t, "the I/O weight is %lld", weight);
    if (child(tune, "device"))
        tell(t, "I/O limits of a device were set");
}

static void look_at_memory(const xmlNode *tune, struct text *t) {
    for (xmlNode *n = tune ? tune->children : NULL; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE)
            tell(t, "memory limit %.32s was set", (const char *)n->name);
}

int domain_changes(const char *xml, const struct domain_limits *limits, char ret[static DOMAIN_CHANGES_MAX]) {
    struct text t = {.s = ret};
    xmlNode *domain, *machine, *devices;
    xmlDocPtr doc;
    int r = -EBADMSG;

    ret[0] = 0;
    doc = xmlReadMemory(xml, (int)strlen(xml), "domain.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    domain = doc ? xmlDocGetRootElement(doc) : NULL;
    if (domain && is(domain, "domain")) {
        _cleanup_free_ char *current = attribute(child(domain, "vcpu"), "current");

        r = 0;
        machine = given(domain);
        devices = child(domain, "devices");
        if (machine && devices)
            look_at_devices(machine, devices, &t);
        look_at_cpu(child(domain, "cputune"), limits, &t);
        look_at_io(child(domain, "blkiotune"), limits, &t);
        look_at_memory(child(domain, "memtune"), &t);
        if (current)
            tell(&t, "it has %.16s vCPUs now", current);
    }
    xmlFreeDoc(doc);
    return r;
}
