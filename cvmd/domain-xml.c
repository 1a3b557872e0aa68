/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-xml.h"

#include "domain-changes.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/xmlwriter.h>
#include <libxml/xpath.h>
#include <string.h>

#define PTS "/dev/pts/"
#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

static const char *const memory_backing_names[MEMORY_BACKING_MAX] = {
    [MEMORY_PAGEABLE] = "pageable",
    [MEMORY_LOCKED] = "locked",
    [MEMORY_HUGEPAGES] = "hugepages",
};

const char *memory_backing_to_string(enum memory_backing b) {
    return b < MEMORY_BACKING_MAX ? memory_backing_names[b] : NULL;
}

int memory_backing_from_string(const char *s) {
    for (int i = 0; i < MEMORY_BACKING_MAX; i++)
        if (strcmp(s, memory_backing_names[i]) == 0)
            return i;
    return -EINVAL;
}

/*
 * The writer remembers nothing of a failure, and the only cause of one is want of memory: collect
 * the results, look once at the end.
 */
struct writer {
    xmlTextWriterPtr w;
    int failed;
};

static void start(struct writer *x, const char *name) {
    x->failed |= xmlTextWriterStartElement(x->w, BAD_CAST name) < 0;
}

static void attribute(struct writer *x, const char *name, const char *value) {
    x->failed |= xmlTextWriterWriteAttribute(x->w, BAD_CAST name, BAD_CAST value) < 0;
}

static void end(struct writer *x) {
    x->failed |= xmlTextWriterEndElement(x->w) < 0;
}

static void text_element(struct writer *x, const char *name, const char *value) {
    x->failed |= xmlTextWriterWriteElement(x->w, BAD_CAST name, BAD_CAST value) < 0;
}

/* <name a="va" b="vb"/>; @b may be NULL. */
static void leaf(struct writer *x, const char *name, const char *a, const char *va, const char *b,
                 const char *vb) {
    start(x, name);
    if (a)
        attribute(x, a, va);
    if (b)
        attribute(x, b, vb);
    end(x);
}

static void write_memory(struct writer *x, const struct domain_shape *s) {
    char n[32];

    snprintf(n, sizeof(n), "%" PRIu64, s->memory >> 10);
    start(x, "memory");
    attribute(x, "unit", "KiB");
    x->failed |= xmlTextWriterWriteString(x->w, BAD_CAST n) < 0;
    end(x);

    /* nosharepages: a merged page is read by the host, so sealed, again and again. */
    start(x, "memoryBacking");
    if (s->backing == MEMORY_HUGEPAGES)
        leaf(x, "hugepages", NULL, NULL, NULL, NULL);
    leaf(x, "nosharepages", NULL, NULL, NULL, NULL);
    if (s->backing != MEMORY_PAGEABLE)
        leaf(x, "locked", NULL, NULL, NULL, NULL);
    end(x);
}

static void number_element(struct writer *x, const char *name, uint64_t value) {
    char n[32];

    snprintf(n, sizeof(n), "%" PRIu64, value);
    text_element(x, name, n);
}

/* The quota is for the whole domain, QEMU's own threads included: a period of 100 ms, a percent is 1 ms of
 * it. */
static void write_limits(struct writer *x, const struct domain_shape *s) {
    if (s->cpu_shares || s->cpu_quota) {
        start(x, "cputune");
        if (s->cpu_shares)
            number_element(x, "shares", s->cpu_shares < CPU_SHARES_MAX ? s->cpu_shares : CPU_SHARES_MAX);
        if (s->cpu_quota) {
            number_element(x, "global_period", 100000);
            number_element(x, "global_quota", s->cpu_quota * 1000ull);
        }
        end(x);
    }
    if (s->io_weight) {
        start(x, "blkiotune");
        number_element(x, "weight", s->io_weight);
        end(x);
    }
}

/* i440fx: q35's AHCI controller writes into guest memory although it has no disk. */
static void write_os(struct writer *x, const struct domain_shape *s) {
    start(x, "os");
    start(x, "type");
    attribute(x, "arch", "x86_64");
    if (strcmp(s->type, "test") != 0)
        attribute(x, "machine", "pc-i440fx-7.2");
    x->failed |= xmlTextWriterWriteString(x->w, BAD_CAST "hvm") < 0;
    end(x);
    if (s->protected) {
        start(x, "loader");
        attribute(x, "type", "rom");
        x->failed |= xmlTextWriterWriteString(x->w, BAD_CAST s->firmware) < 0;
        end(x);
    }
    text_element(x, "kernel", s->kernel);
    if (s->initrd)
        text_element(x, "initrd", s->initrd);
    if (s->cmdline && s->cmdline[0])
        text_element(x, "cmdline", s->cmdline);
    end(x);
}

/*
 * Nothing that lets the host write guest memory or edit registers: no SMM (SMRAM), no vmport, no
 * kvmclock; no PMU, because it would be the host's. RootVisor filters all of these itself; what
 * stands here keeps a well-meaning host from tripping the filter.
 */
static void write_cpu(struct writer *x, const struct domain_shape *s) {
    start(x, "features");
    leaf(x, "acpi", NULL, NULL, NULL, NULL);
    leaf(x, "apic", NULL, NULL, NULL, NULL);
    leaf(x, "pmu", "state", "off", NULL, NULL);
    leaf(x, "smm", "state", "off", NULL, NULL);
    leaf(x, "vmport", "state", "off", NULL, NULL);
    end(x);

    if (strcmp(s->type, "kvm") == 0) {
        start(x, "cpu");
        attribute(x, "mode", "host-passthrough");
        leaf(x, "feature", "policy", "disable", "name", "vmx");
        end(x);
    }

    start(x, "clock");
    attribute(x, "offset", "utc");
    leaf(x, "timer", "name", "kvmclock", "present", "no");
    leaf(x, "timer", "name", "hpet", "present", "no");
    end(x);
}

static void disk_name(const struct domain_shape *s, unsigned i, char name[4]) {
    snprintf(name, 4, "%cd%c", s->protected ? 'h' : 'v', 'a' + (int)(i % 26));
}

/*
 * Always raw: a format that QEMU finds out by itself is one that the guest can choose. A protected guest shares no
 * memory with a device: IDE works by port I/O alone (PIO; the guest's command line says libata.dma=0).
 */
static void write_disks(struct writer *x, const struct domain_shape *s) {
    char name[4];

    for (unsigned i = 0; i < s->nr_disks; i++) {
        disk_name(s, i, name);
        start(x, "disk");
        attribute(x, "type", s->disks[i].block ? "block" : "file");
        attribute(x, "device", "disk");
        leaf(x, "driver", "name", "qemu", "type", "raw");
        leaf(x, "source", s->disks[i].block ? "dev" : "file", s->disks[i].path, NULL, NULL);
        leaf(x, "target", "dev", name, "bus", s->protected ? "ide" : "virtio");
        end(x);
    }
}

/* The address is made of the UUID, so it stays. */
static void make_mac(const struct domain_shape *s, char mac[18]) {
    snprintf(mac, 18, "52:54:00:%.2s:%.2s:%.2s", s->uuid, s->uuid + 2, s->uuid + 4);
}

/* What other programs may change of it while it runs, as it was given (domain-changes.h). */
static void write_metadata(struct writer *x, const struct domain_shape *s) {
    char name[18];

    start(x, "metadata");
    start(x, "cvmd:machine");
    attribute(x, "xmlns:cvmd", DOMAIN_METADATA);
    for (unsigned i = 0; i < s->nr_disks; i++) {
        disk_name(s, i, name);
        leaf(x, "cvmd:disk", "name", name, "source", s->disks[i].path);
    }
    if (s->network && strchr(s->network, ':')) {
        make_mac(s, name);
        leaf(x, "cvmd:interface", "name", name, NULL, NULL);
    }
    end(x);
    end(x);
}

static void write_network(struct writer *x, const struct domain_shape *s) {
    const char *name = s->network ? strchr(s->network, ':') : NULL;
    bool bridge = name && strncmp(s->network, "bridge:", 7) == 0;
    char mac[18];

    if (!name)
        return;
    make_mac(s, mac);
    start(x, "interface");
    attribute(x, "type", bridge ? "bridge" : "network");
    leaf(x, "mac", "address", mac, NULL, NULL);
    leaf(x, "source", bridge ? "bridge" : "network", name + 1, NULL, NULL);
    leaf(x, "model", "type", "virtio", NULL, NULL);
    end(x);
}

static void write_devices(struct writer *x, const struct domain_shape *s) {
    start(x, "devices");
    leaf(x, "controller", "type", "usb", "model", "none");
    start(x, "serial");
    attribute(x, "type", "pty");
    leaf(x, "log", "file", s->console_log, "append", "off");
    leaf(x, "target", "port", "0", NULL, NULL);
    end(x);
    write_disks(x, s);
    write_network(x, s);
    /* The balloon takes frames away behind the guest's back: a protected guest would stop. */
    leaf(x, "memballoon", "model", "none", NULL, NULL);
    end(x);
}

int domain_xml(const struct domain_shape *s, char **ret) {
    struct writer x = {0};
    xmlBufferPtr buffer;
    char n[16];
    int r = -ENOMEM;

    buffer = xmlBufferCreate();
    if (!buffer)
        return -ENOMEM;
    x.w = xmlNewTextWriterMemory(buffer, 0);
    if (!x.w)
        goto finish;
    xmlTextWriterSetIndent(x.w, 1);
    xmlTextWriterSetIndentString(x.w, BAD_CAST "  ");

    start(&x, "domain");
    attribute(&x, "type", s->type);
    if (strcmp(s->type, "test") != 0)
        attribute(&x, "xmlns:qemu", QEMU_NAMESPACE);
    text_element(&x, "name", s->name);
    text_element(&x, "uuid", s->uuid);
    write_metadata(&x, s);
    write_memory(&x, s);
    snprintf(n, sizeof(n), "%" PRIu32, s->vcpus);
    text_element(&x, "vcpu", n);
    write_limits(&x, s);
    write_os(&x, s);
    write_cpu(&x, s);
    /* A reset of a protected VM is its end: the machine is launched again instead. */
    text_element(&x, "on_poweroff", "destroy");
    text_element(&x, "on_reboot", "destroy");
    text_element(&x, "on_crash", "destroy");
    write_devices(&x, s);
    if (strcmp(s->type, "test") != 0) {
        /* kvmvapic patches guest code. */
        start(&x, "qemu:commandline");
        leaf(&x, "qemu:arg", "value", "-global", NULL, NULL);
        leaf(&x, "qemu:arg", "value", "apic-common.vapic=off", NULL, NULL);
        end(&x);
    }
    end(&x);
    x.failed |= xmlTextWriterEndDocument(x.w) < 0;
    xmlFreeTextWriter(x.w);
    if (!x.failed) {
        *ret = strdup((const char *)xmlBufferContent(buffer));
        r = *ret ? 0 : -ENOMEM;
    }
finish:
    xmlBufferFree(buffer);
    return r;
}

/* What libvirt allocates. cvmd opens it as root: nothing else will do. */
static bool is_terminal_path(const char *s) {
    size_t digits;

    if (strncmp(s, PTS, strlen(PTS)) != 0)
        return false;
    s += strlen(PTS);
    digits = strspn(s, "0123456789");
    return digits >= 1 && digits <= 10 && !s[digits];
}

int domain_xml_console(const char *xml, char **ret) {
    xmlXPathContextPtr context = NULL;
    xmlXPathObjectPtr path = NULL;
    xmlDocPtr doc;
    int r;

    doc = xmlReadMemory(xml, (int)strlen(xml), "domain.xml", NULL,
                        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc)
        return -EBADMSG;
    context = xmlXPathNewContext(doc);
    path = context
               ? xmlXPathEval(BAD_CAST "string(/domain/devices/serial[@type='pty'][1]/source/@path)", context)
               : NULL;
    if (!path || !path->stringval)
        r = -ENOMEM;
    else if (!path->stringval[0])
        r = -ENOENT;
    else if (!is_terminal_path((const char *)path->stringval))
        r = -EBADMSG;
    else {
        *ret = strdup((const char *)path->stringval);
        r = *ret ? 0 : -ENOMEM;
    }
    xmlXPathFreeObject(path);
    xmlXPathFreeContext(context);
    xmlFreeDoc(doc);
    return r;
}
