// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: cvmd/domain-changes.c cvmd/domain-event.c cvmd/domain-xml.c cvmd/util.c attest/util.c
// CFLAGS: -I/usr/include/libxml2
// LIBS: -lxml2 -lsystemd
/*
 * What libvirt reports: the input as the XML of a running domain, as a domain's UUID, and as a history, in which events
 * that libvirt may tell stand in any order between what cvmd does with a machine. Whatever comes, cvmd opens nothing but
 * a pseudo terminal, ends no QEMU that it asked for, and takes no older end for that of the start that it waits for.
 */
#include <errno.h>
#include <libvirt/libvirt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cvmd/domain-changes.h"
#include "cvmd/domain-event.h"
#include "cvmd/domain-xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void console(const char *xml) {
    char *path = NULL, *end;
    unsigned long n;

    if (domain_xml_console(xml, &path) < 0)
        return;
    n = strncmp(path, "/dev/pts/", 9) == 0 ? strtoul(path + 9, &end, 10) : ULONG_MAX;
    if (n == ULONG_MAX || end == path + 9 || *end || path[9] == '+' || path[9] == '-')
        abort();
    free(path);
}

/* Whatever the XML says, the words are printable and end. */
static void changes(const char *xml) {
    static const struct domain_limits limits[] = {{0, 0, 0}, {2048, 150, 500}};
    char words[DOMAIN_CHANGES_MAX];

    for (unsigned i = 0; i < 2; i++) {
        memset(words, 0xff, sizeof(words));
        if (domain_changes(xml, &limits[i], words) < 0 && words[0])
            abort();
        for (const char *p = words; *p; p++)
            if (p - words >= (long)sizeof(words) - 1 || *p < ' ' || *p > '~')
                abort();
    }
}

static void uuid(const char *s) {
    struct domain_event d, again;

    if (domain_event_read(VIR_DOMAIN_EVENT_STARTED, 0, s, &d) < 0)
        return;
    if (domain_event_device(true, s, &again) < 0 || again.event != VIRT_CHANGED || strcmp(d.uuid, again.uuid) != 0)
        abort();
    if (domain_event_tunable(s, &again) < 0 || again.event != VIRT_CHANGED || strcmp(d.uuid, again.uuid) != 0)
        abort();
    if (strcasecmp(d.uuid, s) != 0 || domain_event_read(VIR_DOMAIN_EVENT_STARTED, 0, d.uuid, &again) < 0 ||
        strcmp(d.uuid, again.uuid) != 0)
        abort();
}

/* As lifecycle_event() takes it. */
static void happens(struct domain_event_view *v, int event, int detail) {
    const struct domain_event_view was = *v;
    struct domain_event d = {.event = VIRT_LOST};
    int r = domain_event_read(event, detail, "01234567-89ab-4def-8123-456789abcdef", &d);

    if (r < 0 && r != -ENOENT)
        abort();
    if (r == 0 && (!d.detail || !d.detail[0] || d.event >= VIRT_LOST))
        abort();
    switch (domain_event_judge(v, d.event)) {
    case DOMAIN_EVENT_ORPHAN:
        if (was.active || was.job || was.starts)
            abort();
        break;
    case DOMAIN_EVENT_SEEN:
        if (!was.unseen || event != VIR_DOMAIN_EVENT_STARTED)
            abort();
        v->unseen--;
        break;
    case DOMAIN_EVENT_ENDED:
        if (was.unseen || event != VIR_DOMAIN_EVENT_STOPPED)
            abort();
        v->active = false;
        break;
    case DOMAIN_EVENT_PAUSED:
        if (event != VIR_DOMAIN_EVENT_SUSPENDED)
            abort();
        break;
    case DOMAIN_EVENT_RESUMED:
        if (event != VIR_DOMAIN_EVENT_RESUMED)
            abort();
        break;
    case DOMAIN_EVENT_CHANGED: /* is told apart from these */
        abort();
    case DOMAIN_EVENT_NOTHING:
        break;
    }
}

static void history(const uint8_t *data, size_t size) {
    struct domain_event_view v = {0};

    for (; size >= 2; data += 2, size -= 2)
        switch (data[0] >> 6) {
        case 0: /* cvmd starts it */
            if (!v.active && !v.job)
                v = (struct domain_event_view){
                    .active = true, .job = true, .starts = v.starts + 1, .unseen = v.unseen + 1};
            break;
        case 1: /* the thread is done: it came up, or it did not */
            if (v.job && !(data[0] & 1)) {
                v.active = false;
                v.unseen -= v.unseen > 0;
            }
            v.job = false;
            break;
        default:
            happens(&v, (int8_t)(data[0] << 2) >> 2, (int8_t)data[1]);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *s = malloc(size + 1);

    if (!s)
        abort();
    memcpy(s, data, size);
    s[size] = 0;
    console(s);
    changes(s);
    uuid(s);
    history(data, size);
    free(s);
    return 0;
}
