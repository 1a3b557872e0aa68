/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one table of routes. openapi.json documents exactly these; a test compares them.
 */
#ifndef CVMD_REST_ROUTES_H
#define CVMD_REST_ROUTES_H

#include "request.h"

enum body { BODY_NONE, BODY_JSON, BODY_UPLOAD, BODY_BYTES };

struct route {
    const char *method;
    const char *path; /* "{x}" stands for one segment */
    void (*handler)(struct request *req);
    enum permission permission;
    bool machine;  /* the first parameter is one, and the permission is about it */
    bool open;     /* nobody is asked who he is */
    bool by_cvmd;  /* the handler's call asks cvmd for the permission */
    enum body body;
};

extern const struct route routes[];
extern const size_t nr_routes;

/**
 * route_find - the route of a request; pure
 * @path: as sent, without query; still percent-encoded
 * @params: decoded, the caller frees; PARAMS_MAX
 * @allow: on -ENOTSUP the methods that the path does take, as "GET, PUT"; @size bytes
 *
 * Returns 0; -ENOENT: no such path; -ENOTSUP: not this method; -EINVAL: bad encoding; -ENOMEM.
 */
int route_find(const char *method, const char *path, const struct route **ret, char *params[PARAMS_MAX], char *allow,
               size_t size);

/* --- handlers, by file --- */
void machines_list(struct request *req);
void machines_create(struct request *req);
void machine_get(struct request *req);
void machine_patch(struct request *req);
void machine_delete(struct request *req);
void machine_stats(struct request *req);
void machine_action(struct request *req);
void machine_log(struct request *req);
void machine_report(struct request *req);
void machine_evidence(struct request *req);
void machine_key(struct request *req);

void console_get(struct request *req);
void console_input(struct request *req);

void images_list(struct request *req);
void images_upload(struct request *req);
void images_collect(struct request *req);
void image_get(struct request *req);
void image_delete(struct request *req);

void operations_list(struct request *req);
void operation_get(struct request *req);
void operation_cancel(struct request *req);

void host_get(struct request *req);
void host_endorsement(struct request *req);
void host_activate(struct request *req);
void host_reload(struct request *req);
void audit_list(struct request *req);
void audit_export(struct request *req);
void audit_inclusion(struct request *req);
void audit_consistency(struct request *req);
void audit_key(struct request *req);
void audit_checkpoint(struct request *req);
void events_stream(struct request *req);

void enrol(struct request *req);
void clients_list(struct request *req);
void client_get(struct request *req);
void client_put(struct request *req);
void client_authority(struct request *req);
void client_self(struct request *req);
void client_delete(struct request *req);
void tokens_create(struct request *req);

void healthz(struct request *req);
void readyz(struct request *req);
void metrics_get(struct request *req);
void openapi_get(struct request *req);
void problem_get(struct request *req);

#endif
