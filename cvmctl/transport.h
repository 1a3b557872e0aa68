/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a verb reaches cvmd: the system bus of this host, or REST of another (--host). Objects are JSON with
 * their properties named as on the bus, whatever the way, so that the output is the same.
 *
 * All functions return 0, or print what is wrong and return an exit status.
 */
#ifndef CVMCTL_TRANSPORT_H
#define CVMCTL_TRANSPORT_H

#include "cvmctl.h"

enum object_kind {
    OBJECT_HOST,
    OBJECT_MACHINE,
    OBJECT_IMAGE,
    OBJECT_OPERATION,
    OBJECT_KINDS,
};

/* A method of the Manager. */
struct request {
    const char *verb;     /* of cvmctl, for errors */
    const char *method;   /* Start, Stop, Launch, ... */
    const char *name;     /* of the machine or image; NULL if the method takes none */
    const char *kind;     /* ImportImage: kernel, initrd, disk */
    bool force;           /* Stop */
    json_object *options; /* a{sv} by their names on the bus; NULL if the method takes none */
    struct request_file {
        const char *key; /* option: Kernel, Initrd; "" for ImportImage's file */
        int fd;          /* -1: none */
    } files[2];
};

/* Who may use the REST interface, and how. */
struct client_grant {
    const char *id; /* uid:N, cert:SHA256; NULL for a token */
    const char *name, *role, *machines;
    uint32_t lifetime; /* of a token, seconds */
};

struct transport;

struct transport_ops {
    void (*close)(struct transport *t);
    /* Properties of one object; @id: name, digest, operation id; NULL for the host. */
    int (*get)(struct transport *t, const char *verb, enum object_kind kind, const char *id,
               json_object **ret);
    /* All objects of a kind, in an array. */
    int (*list)(struct transport *t, const char *verb, enum object_kind kind, json_object **ret);
    /* *operation: id of the operation to wait for, the caller frees; NULL if it is done already. */
    int (*call)(struct transport *t, const struct request *q, char **operation);
    int (*cancel)(struct transport *t, const char *verb, const char *operation);
    /* Returns when something may have changed, at the latest after @usec. */
    int (*wait)(struct transport *t, const char *verb, uint64_t usec);
    /* Audit entries behind @after, oldest first, at most @limit (0: no limit), of @machine ("" all). */
    int (*audit)(struct transport *t, const char *verb, uint64_t after, const char *machine, uint32_t limit,
                 json_object **ret);
    /*
     * Calls @each with every entry behind @after as it comes, until that returns non-zero or the line breaks: then
     * EXIT_NO_DAEMON. NULL: the way has no such stream, audit() and wait() do.
     */
    int (*follow)(struct transport *t, const char *verb, uint64_t after, const char *machine,
                  int (*each)(void *userdata, json_object *entry), void *userdata);
    /* Public key of the audit log ("key"), or a signed checkpoint ("checkpoint"); the caller frees. */
    int (*audit_text)(struct transport *t, const char *verb, const char *what, char **ret);
    /* Entries [@from, @to) of the log with what proves them, @to 0: all; handed to @sink, which returns 0 or an errno. */
    int (*audit_export)(struct transport *t, const char *verb, uint64_t from, uint64_t to,
                        int (*sink)(void *userdata, const char *p, size_t n), void *userdata);
    /* Inclusion of entry @n, or consistency with size @n. */
    int (*audit_proof)(struct transport *t, const char *verb, bool inclusion, uint64_t n, json_object **ret);
    /*
     * What a machine's console printed: a regular file, which goes on growing while the machine runs if @grows. The
     * caller closes.
     */
    int (*open_log)(struct transport *t, const char *verb, const char *machine, bool grows, int *fd);
    /* A socket to it. The caller closes. */
    int (*open_console)(struct transport *t, const char *verb, const char *machine, int *fd);
    /* The machine has ended: returns when a file of open_log() has all. */
    void (*settle)(struct transport *t);
    /* A signed report, @size bytes of struct cvm_report. */
    int (*report)(struct transport *t, const char *verb, const char *machine, const uint8_t nonce[NONCE_SIZE],
                  void *ret, size_t size);
    /* The evidence document of a machine, JSON text that the caller frees. */
    int (*evidence)(struct transport *t, const char *verb, const char *machine,
                    const uint8_t nonce[NONCE_SIZE], char **ret);
    /* Hands @size bytes, a sealed key, to a machine's Guardian. */
    int (*put_key)(struct transport *t, const char *verb, const char *machine, const void *blob, size_t size);
    /* The host's half of enrolment: its endorsement (@challenge NULL), or the answer to a challenge; the caller frees. */
    int (*enrolment)(struct transport *t, const char *verb, const char *challenge, char **ret);
    /* An array of objects: id, name, role, machines, created, expires (microseconds since 1970, 0 never). */
    int (*clients)(struct transport *t, const char *verb, json_object **ret);
    int (*add_client)(struct transport *t, const char *verb, const struct client_grant *g);
    int (*remove_client)(struct transport *t, const char *verb, const char *id);
    /* token, expires, authority_sha256. */
    int (*create_token)(struct transport *t, const char *verb, const struct client_grant *g, json_object **ret);
    /* certificate (PEM), sha256. */
    int (*authority)(struct transport *t, const char *verb, json_object **ret);
};

struct transport {
    const struct transport_ops *ops;
};

/* By --host, or the system bus. */
int transport_open(const char *verb, struct transport **ret);
static inline void transport_close(struct transport *t) {
    if (t)
        t->ops->close(t);
}
CVM_DEFINE_CLEANUP(struct transport *, transport_close)
#define _cleanup_transport_ _cleanup_(transport_closep)

/* --- transport-bus.c, transport-rest.c --- */
int transport_bus_open(const char *verb, struct transport **ret);
struct http_target;
int transport_rest_open(const char *verb, struct http_target *target, struct transport **ret);

/* --bus-address and --host, NULL if not given. */
extern const char *arg_bus_address, *arg_host;

#endif
