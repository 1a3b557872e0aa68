/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A copy of cvmd's objects, kept true by its signals. An object of which a signal came is read anew before it is
 * shown next, and since cvmd sends its signals before its answers, whoever changed something sees the change.
 */
#ifndef CVMD_REST_MIRROR_H
#define CVMD_REST_MIRROR_H

#include "request.h"

enum class { CLASS_MACHINE, CLASS_IMAGE, CLASS_OPERATION, CLASS_MAX };

struct object {
    char *key; /* name, digest, id */
    char *path;
    json_object *json;
    char *text; /* of @json */
    size_t size;
    uint64_t revision;
    struct shared *response; /* ready to be sent, with its ETag */
    bool dirty, loading;
    unsigned generation;
    struct waitlist *waiting;
};

/* Reads everything; if cvmd is not there it is asked again later. */
int mirror_new(struct rest *rest);
void mirror_free(struct mirror *m);
/* Whether cvmd is there and everything was read. */
bool mirror_ready(const struct mirror *m);
/* Returns 1: ready; 0: @req waits, for the first reading after a start, or has been answered (503). */
int mirror_need(struct request *req);
size_t mirror_count(const struct mirror *m, enum class c);

/**
 * mirror_get - an object as it is now
 *
 * Returns 1: there it is; 0: @req waits or has been answered (503); -ENOENT: there is none.
 */
int mirror_get(struct request *req, enum class c, const char *key, struct object **ret);

/**
 * mirror_page - a page of objects in the order of their keys
 * @after: the key before the first, or NULL
 * @wanted: whether an object counts; called with what the mirror has, which may be old
 * @name: of the array in the answer
 *
 * Answers the request.
 */
void mirror_page(struct request *req, enum class c, const char *name, bool (*wanted)(struct request *req, json_object *o));

/* All of a class: calls @fn with each. */
void mirror_each(struct mirror *m, enum class c, void (*fn)(void *userdata, json_object *o), void *userdata);

#endif
