/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /healthz, /readyz, /metrics, /v1/openapi.json, /v1/problems */
#include "metrics.h"
#include "mirror.h"
#include "openapi.h"
#include "routes.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const double buckets[] = {0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5};

void metrics_count(struct rest *rest, unsigned status, uint64_t usec) {
    struct metrics *m = &rest->metrics;

    _Static_assert(ELEMENTSOF(buckets) == ELEMENTSOF(m->durations), "a counter for each bucket");
    if (status / 100 < ELEMENTSOF(m->requests))
        m->requests[status / 100]++;
    m->duration_sum += usec;
    for (size_t i = 0; i < ELEMENTSOF(buckets); i++)
        if ((double)usec <= buckets[i] * 1e6)
            m->durations[i]++;
}

void healthz(struct request *req) {
    static const char text[] = "{\"status\":\"ok\"}";

    reply_text(req, MHD_HTTP_OK, "application/json", text, sizeof(text) - 1);
}

void readyz(struct request *req) {
    static const char text[] = "{\"status\":\"ready\"}";

    if (mirror_need(req))
        reply_text(req, MHD_HTTP_OK, "application/json", text, sizeof(text) - 1);
}

void openapi_get(struct request *req) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(openapi_size, (void *)openapi_text, MHD_RESPMEM_PERSISTENT);

    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    reply_response(req, MHD_HTTP_OK, response);
}

void problem_get(struct request *req) {
    for (size_t i = 0; i < PROBLEM_MAX; i++) {
        const struct problem_type *t = &problem_types[i];
        json_object *o;

        if (strcmp(t->name, req->params[0]) != 0)
            continue;
        o = json_object_new_object();
        json_object_object_add(o, "type", json_object_new_string(req->url));
        json_object_object_add(o, "title", json_object_new_string(t->title));
        json_object_object_add(o, "status", json_object_new_int((int)t->status));
        json_object_object_add(o, "help", json_object_new_string(t->help));
        reply_json(req, MHD_HTTP_OK, o);
        return;
    }
    reply_problem(req, PROBLEM_NOT_FOUND, "there is no problem type '%.64s'", req->params[0]);
}

/* --- metrics --- */

struct states {
    const char *names[16];
    uint64_t n[16];
    size_t used;
};

static void count_state(void *userdata, json_object *o) {
    struct states *s = userdata;
    json_object *v = NULL;
    const char *state;

    if (!json_object_object_get_ex(o, "state", &v))
        return;
    state = json_object_get_string(v);
    for (size_t i = 0; i < s->used; i++)
        if (strcmp(s->names[i], state) == 0) {
            s->n[i]++;
            return;
        }
    if (s->used < ELEMENTSOF(s->names)) {
        s->names[s->used] = state;
        s->n[s->used++] = 1;
    }
}

static void put(FILE *f, const char *name, const char *type, const char *help) {
    fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_one(FILE *f, const char *name, const char *type, const char *help, uint64_t value) {
    put(f, name, type, help);
    fprintf(f, "%s %" PRIu64 "\n", name, value);
}

static void put_states(FILE *f, struct rest *rest, enum class class, const char *name, const char *help) {
    struct states s = {0};

    mirror_each(rest->mirror, class, count_state, &s);
    put(f, name, "gauge", help);
    for (size_t i = 0; i < s.used; i++)
        fprintf(f, "%s{state=\"%s\"} %" PRIu64 "\n", name, s.names[i], s.n[i]);
}

static void put_durations(FILE *f, const struct metrics *m) {
    uint64_t n = 0;

    put(f, "cvmd_rest_request_duration_seconds", "histogram", "Time from request line to answer, streams included.");
    for (size_t i = 0; i < ELEMENTSOF(m->requests); i++)
        n += m->requests[i];
    for (size_t i = 0; i < ELEMENTSOF(buckets); i++)
        fprintf(f, "cvmd_rest_request_duration_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", buckets[i], m->durations[i]);
    fprintf(f, "cvmd_rest_request_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", n);
    fprintf(f, "cvmd_rest_request_duration_seconds_sum %.6f\n", (double)m->duration_sum / 1e6);
    fprintf(f, "cvmd_rest_request_duration_seconds_count %" PRIu64 "\n", n);
}

void metrics_get(struct request *req) {
    struct rest *rest = req->rest;
    const struct metrics *m = &rest->metrics;
    struct MHD_Response *response;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f) {
        reply_errno(req, -ENOMEM);
        return;
    }
    put_one(f, "cvmd_up", "gauge", "Whether cvmd answers.", mirror_ready(rest->mirror));
    put_states(f, rest, CLASS_MACHINE, "cvmd_machines", "Machines by state.");
    put_states(f, rest, CLASS_OPERATION, "cvmd_operations", "Operations by state.");
    put_one(f, "cvmd_images", "gauge", "Images in the store.", mirror_count(rest->mirror, CLASS_IMAGE));
    put(f, "cvmd_rest_requests_total", "counter", "Requests answered, by class of the status.");
    for (size_t i = 1; i < ELEMENTSOF(m->requests); i++)
        fprintf(f, "cvmd_rest_requests_total{class=\"%zuxx\"} %" PRIu64 "\n", i, m->requests[i]);
    put_durations(f, m);
    put_one(f, "cvmd_rest_connections", "gauge", "Connections now.", rest->nr_peers);
    put_one(f, "cvmd_rest_connections_total", "counter", "Connections taken.", m->connections);
    put_one(f, "cvmd_rest_connections_evicted_total", "counter", "Idle connections closed to make room.", m->evicted);
    put_one(f, "cvmd_rest_connections_timed_out_total", "counter", "Connections closed for being slow.", m->timed_out);
    put_one(f, "cvmd_rest_denied_total", "counter", "Requests refused for the client's role, before a call to cvmd.",
            m->denied);
    put_one(f, "cvmd_rest_calls_total", "counter", "Calls to cvmd for clients.", m->calls);
    put_one(f, "cvmd_rest_call_errors_total", "counter", "Calls that cvmd refused or that failed.", m->call_errors);
    put_one(f, "cvmd_rest_event_followers", "gauge", "Clients that follow events.", rest->nr_followers);
    put_one(f, "cvmd_rest_events_total", "counter", "Events handed to followers.", m->events);
    put(f, "process_start_time_seconds", "gauge", "When the gateway started, since 1970.");
    fprintf(f, "process_start_time_seconds %.3f\n", (double)rest->started / 1e6);
    if (fclose(f) != 0) {
        free(text);
        reply_errno(req, -ENOMEM);
        return;
    }
    response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    else
        free(text);
    reply_response(req, MHD_HTTP_OK, response);
}
