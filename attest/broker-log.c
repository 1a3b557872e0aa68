/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A broker's log. Each line is a JWS (ES256) whose payload names the SHA-256 of the line before, so that a
 * line taken out, put in or changed is found; the end that was cut off is not, unless one kept the last line.
 */
#include "broker-store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "jws.h"
#include "key.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static void add_text(json_object *o, const char *name, const char *value) {
    if (value && *value)
        json_object_object_add(o, name, json_object_new_string(value));
}

/* All but where the line stands in the chain: take_turn() adds that, when it is its turn. */
static int payload(const struct cvm_broker_event *v, json_object **ret) {
    json_object *o = json_object_new_object();
    char peer[64], detail[384], when[32];
    struct tm tm;

    if (!o)
        return -ENOMEM;
    snprintf(peer, sizeof(peer), "%s", v->peer ?: "");
    snprintf(detail, sizeof(detail), "%s", v->detail ?: "");
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&v->now, &tm));
    json_object_object_add(o, "seq", json_object_new_uint64(0));
    json_object_object_add(o, "time", json_object_new_string(when));
    add_text(o, "event", v->event);
    add_text(o, "resource", v->resource);
    add_text(o, "code", v->code);
    add_text(o, "detail", cvm_defang(detail));
    add_text(o, "peer", cvm_defang(peer));
    if (v->report) {
        cvm_json_add_hex(o, "vm_uuid", v->report->uuid, sizeof(v->report->uuid));
        cvm_json_add_base64url(o, "guardian_key", v->report->kex_public, CVM_POINT_SIZE);
        cvm_json_add_hex(o, "launch_digest", v->report->launch_digest, sizeof(v->report->launch_digest));
        cvm_json_add_hex(o, "report_key", v->report->report_key_id, sizeof(v->report->report_key_id));
        json_object_object_add(o, "rootvisor_svn", json_object_new_int64(v->report->rootvisor_svn));
        json_object_object_add(o, "report_counter", json_object_new_uint64(v->report->counter));
        if (v->report->rollback) {
            json_object_object_add(o, "rollback", json_object_new_uint64(v->report->rollback));
            json_object_object_add(o, "rollback_epoch", json_object_new_uint64(v->report->rollback_epoch));
        }
    }
    if (v->lease)
        json_object_object_add(o, "lease", json_object_new_int64(v->lease));
    if (v->generation)
        json_object_object_add(o, "generation", json_object_new_uint64(v->generation));
    if (v->disk_generation)
        json_object_object_add(o, "disk_generation", json_object_new_uint64(v->disk_generation));
    *ret = o;
    return 0;
}

static int take_turn(const struct cvm_broker_store *s, json_object *o) {
    json_object_set_uint64(json_object_object_get(o, "seq"), s->log_next);
    return cvm_json_add_hex(o, "previous", s->log_head, sizeof(s->log_head));
}

static int append(struct cvm_broker_store *s, const char *line, size_t size) {
    uint8_t head[32];
    ssize_t n;

    if (EVP_Digest(line, size, head, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    /* One write: a line that a crash cut short has no newline, and is refused when the log is opened. */
    n = write(s->log, line, size + 1);
    if (n < 0)
        return -errno;
    if ((size_t)n != size + 1) {
        cvm_commit_break(&s->log_commit);
        return -EIO;
    }
    memcpy(s->log_head, head, sizeof(head));
    cvm_commit_wrote(&s->log_commit, ++s->log_next);
    return 0;
}

int cvm_broker_log_sync(struct cvm_broker_store *s) {
    uint64_t next;

    pthread_mutex_lock(&s->log_lock);
    next = s->log_next;
    pthread_mutex_unlock(&s->log_lock);
    return cvm_commit_wait(&s->log_commit, s->log, next);
}

int cvm_broker_log(struct cvm_broker_store *s, const struct cvm_broker_event *event) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    _cleanup_cvm_free_ char *line = NULL;
    const char *text;
    uint64_t next;
    size_t size;
    int r;

    r = payload(event, &o);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->log_lock);
    r = cvm_commit_is_broken(&s->log_commit) ? -EIO : take_turn(s, o);
    if (r == 0) {
        text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
        r = cvm_jws_sign(s->signing_key, CVM_BROKER_LOG_TYPE, text, size, &line);
    }
    if (r == 0) {
        size = strlen(line);
        line[size] = '\n'; /* in place of the NUL */
        r = append(s, line, size);
    }
    next = s->log_next;
    pthread_mutex_unlock(&s->log_lock);
    /* Who attested is there to ask for a key, which will not leave before both lines are on the disk. */
    return r < 0 || strcmp(event->event, "attested") == 0 ? r : cvm_commit_wait(&s->log_commit, s->log, next);
}
