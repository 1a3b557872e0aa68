/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-replay.h"

#include <string.h>
#include <time.h>

#include "broker-lease.h"
#include "json.h"
#include "key.h"

#define LEASE_MAX (86400u * 30)

/* The machine of an event, with all that an event about its lease tells. */
static int take_report(json_object *event, struct cvm_report *r) {
    uint64_t svn = 0, count = 0, epoch = 0;
    int err;

    memset(r, 0, sizeof(*r));
    err = cvm_json_base64url(event, "guardian_key", r->kex_public, CVM_POINT_SIZE, NULL);
    if (err == 0)
        err = cvm_json_hex(event, "vm_uuid", r->uuid, sizeof(r->uuid), NULL);
    if (err == 0)
        err = cvm_json_hex(event, "launch_digest", r->launch_digest, sizeof(r->launch_digest), NULL);
    if (err == 0)
        err = cvm_json_hex(event, "report_key", r->report_key_id, sizeof(r->report_key_id), NULL);
    if (err == 0)
        err = cvm_json_uint(event, "rootvisor_svn", UINT32_MAX, &svn, NULL);
    if (err == 0)
        err = cvm_json_uint(event, "report_counter", INT64_MAX, &r->counter, NULL);
    if (err < 0)
        return err;
    if (cvm_json_uint(event, "rollback", UINT32_MAX, &count, NULL) == 0 && cvm_json_uint(event, "rollback_epoch", UINT32_MAX, &epoch, NULL) == 0) {
        r->rollback = (uint32_t)count;
        r->rollback_epoch = (uint32_t)epoch;
    }
    r->rootvisor_svn = (uint32_t)svn;
    return 0;
}

static int take_time(json_object *event, time_t *ret) {
    struct tm tm = {0};
    const char *text = NULL;
    int r = cvm_json_string(event, "time", &text, NULL);

    if (r < 0)
        return r;
    text = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    *ret = timegm(&tm);
    return text && !*text ? 0 : -1;
}

void cvm_broker_replay(void *data, json_object *event) {
    const char *name = NULL, *resource = NULL;
    struct cvm_report report;
    uint64_t lease = 0;
    time_t when;

    if (cvm_json_string(event, "event", &name, NULL) < 0 || take_report(event, &report) < 0 || take_time(event, &when) < 0)
        return;
    if (strcmp(name, "attested") == 0)
        cvm_leases_renew(data, &report, when);
    if (cvm_json_string(event, "resource", &resource, NULL) < 0)
        return;
    if (strcmp(name, "released") == 0 && cvm_json_uint(event, "lease", LEASE_MAX, &lease, NULL) == 0)
        cvm_leases_begin(data, resource, (unsigned)lease, &report, when);
    else if (strcmp(name, "lease-expired") == 0 || strcmp(name, "superseded") == 0)
        cvm_leases_end(data, resource, &report);
}
