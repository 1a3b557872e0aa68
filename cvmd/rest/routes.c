/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "routes.h"

#include "routes-match.h"

#include <errno.h>
#include <string.h>

const struct route routes[] = {
    {"GET", "/healthz", healthz, .open = true},
    {"GET", "/readyz", readyz, .open = true},
    {"GET", "/metrics", metrics_get, PERMISSION_READ},
    {"GET", "/v1/openapi.json", openapi_get, .open = true},
    {"GET", "/v1/problems/{type}", problem_get, .open = true},

    {"GET", "/v1/machines", machines_list, PERMISSION_READ},
    {"POST", "/v1/machines", machines_create, PERMISSION_DEFINE, .by_cvmd = true, .body = BODY_JSON},
    {"GET", "/v1/machines/{name}", machine_get, PERMISSION_READ, .machine = true},
    {"PATCH", "/v1/machines/{name}", machine_patch, PERMISSION_DEFINE, .machine = true, .body = BODY_JSON},
    {"DELETE", "/v1/machines/{name}", machine_delete, PERMISSION_DEFINE, .machine = true, .by_cvmd = true},
    {"GET", "/v1/machines/{name}/stats", machine_stats, PERMISSION_READ, .machine = true},
    {"POST", "/v1/machines/{name}/actions/{action}", machine_action, PERMISSION_CONTROL, .machine = true,
     .by_cvmd = true, .body = BODY_JSON},
    {"GET", "/v1/machines/{name}/log", machine_log, PERMISSION_CONSOLE, .machine = true, .by_cvmd = true},
    {"GET", "/v1/machines/{name}/console", console_get, PERMISSION_CONSOLE, .machine = true, .by_cvmd = true},
    {"POST", "/v1/machines/{name}/console/{stream}", console_input, PERMISSION_CONSOLE, .machine = true, .body = BODY_BYTES},
    {"POST", "/v1/machines/{name}/report", machine_report, PERMISSION_REPORT, .machine = true, .by_cvmd = true,
     .body = BODY_JSON},

    {"POST", "/v1/machines/{name}/evidence", machine_evidence, PERMISSION_REPORT, .machine = true, .by_cvmd = true,
     .body = BODY_JSON},

    {"POST", "/v1/machines/{name}/key", machine_key, PERMISSION_CONTROL, .machine = true, .by_cvmd = true, .body = BODY_JSON},

    {"GET", "/v1/images", images_list, PERMISSION_READ},
    {"POST", "/v1/images", images_upload, PERMISSION_IMAGES, .body = BODY_UPLOAD},
    {"POST", "/v1/images/collect", images_collect, PERMISSION_IMAGES, .by_cvmd = true, .body = BODY_JSON},
    {"GET", "/v1/images/{digest}", image_get, PERMISSION_READ},
    {"DELETE", "/v1/images/{digest}", image_delete, PERMISSION_IMAGES, .by_cvmd = true},

    {"GET", "/v1/operations", operations_list, PERMISSION_READ},
    {"GET", "/v1/operations/{id}", operation_get, PERMISSION_READ},
    {"POST", "/v1/operations/{id}/cancel", operation_cancel, PERMISSION_CONTROL, .by_cvmd = true, .body = BODY_JSON},

    {"GET", "/v1/host", host_get, PERMISSION_READ},
    {"GET", "/v1/host/endorsement", host_endorsement, PERMISSION_HOST, .by_cvmd = true},
    {"POST", "/v1/host/activate", host_activate, PERMISSION_HOST, .by_cvmd = true, .body = BODY_JSON},
    {"POST", "/v1/host/reload", host_reload, PERMISSION_HOST, .by_cvmd = true, .body = BODY_JSON},
    {"GET", "/v1/audit", audit_list, PERMISSION_AUDIT, .by_cvmd = true},
    {"GET", "/v1/audit/export", audit_export, PERMISSION_AUDIT, .by_cvmd = true},
    {"GET", "/v1/audit/inclusion", audit_inclusion, PERMISSION_AUDIT, .by_cvmd = true},
    {"GET", "/v1/audit/consistency", audit_consistency, PERMISSION_READ},
    {"GET", "/v1/audit/key", audit_key, PERMISSION_READ},
    {"GET", "/v1/audit/checkpoint", audit_checkpoint, PERMISSION_READ},
    {"GET", "/v1/events", events_stream, PERMISSION_AUDIT, .by_cvmd = true},

    {"POST", "/v1/enrol", enrol, .open = true, .body = BODY_JSON},
    {"GET", "/v1/clients", clients_list, PERMISSION_CLIENTS, .by_cvmd = true},
    {"GET", "/v1/clients/authority", client_authority, PERMISSION_READ, .by_cvmd = true},
    {"GET", "/v1/clients/self", client_self, .by_cvmd = true},
    {"POST", "/v1/clients/tokens", tokens_create, PERMISSION_CLIENTS, .by_cvmd = true, .body = BODY_JSON},
    {"GET", "/v1/clients/{id}", client_get, PERMISSION_CLIENTS, .by_cvmd = true},
    {"PUT", "/v1/clients/{id}", client_put, PERMISSION_CLIENTS, .by_cvmd = true, .body = BODY_JSON},
    {"DELETE", "/v1/clients/{id}", client_delete, PERMISSION_CLIENTS, .by_cvmd = true},
};
const size_t nr_routes = ELEMENTSOF(routes);

static void add_method(char *allow, size_t size, const char *method) {
    size_t n = strlen(allow);

    snprintf(allow + n, size - n, "%s%s", n ? ", " : "", method);
}

int route_find(const char *method, const char *path, const struct route **ret, char *params[PARAMS_MAX], char *allow,
               size_t size) {
    const char *segments[PARAMS_MAX] = {0};
    const struct route *found = NULL;
    size_t sizes[PARAMS_MAX] = {0};
    int r = -ENOENT;

    allow[0] = 0;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < nr_routes && !found; i++) {
        const char *s[PARAMS_MAX] = {0};
        size_t n[PARAMS_MAX] = {0};

        if (!path_matches(routes[i].path, path, s, n))
            continue;
        if (strcmp(routes[i].method, method) != 0) {
            add_method(allow, size, routes[i].method);
            r = -ENOTSUP;
            continue;
        }
        found = &routes[i];
        memcpy(segments, s, sizeof(s));
        memcpy(sizes, n, sizeof(n));
    }
    if (!found)
        return r;
    for (unsigned i = 0; i < PARAMS_MAX && segments[i]; i++) {
        r = path_decode(segments[i], sizes[i], &params[i]);
        if (r < 0)
            return r;
    }
    *ret = found;
    return 0;
}
