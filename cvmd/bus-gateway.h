/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the families of org.cvmd1.Gateway's methods share: who calls, for which client, and what an idempotency key
 * remembers. Each method opens with gateway_open() or gateway_open_keyed(), reads the rest of its arguments, and asks
 * gateway_allow() before it looks at anything.
 */
#ifndef CVMD_BUS_GATEWAY_H
#define CVMD_BUS_GATEWAY_H

#include "bus.h"
#include "clients.h"
#include "manager.h"

/* One call; strings without a star beside them belong to the message. */
struct asked {
    sd_bus_message *call;
    sd_bus_error *error;
    struct manager *manager;
    const char *id;          /* the client, as the gateway names it */
    const char *key, *digest; /* of the request; key "": none */
    struct client client;    /* when allowed */
    char *who;               /* the same in words, owned */
};

void asked_done(struct asked *a);

/* 0, or negative with @error set: the sender's user cannot be known. */
int bus_caller_uid(sd_bus_message *call, uid_t *uid, sd_bus_error *error);

/* The sender is the gateway. 0, or negative with @error set, and written down. */
int gateway_check(sd_bus_message *call, struct manager *m, sd_bus_error *error);
/* The same, and reads the client: "s", or "sss" with key and digest. @a is always initialized. */
int gateway_open(struct asked *a, sd_bus_message *call, struct manager *m, sd_bus_error *error);
int gateway_open_keyed(struct asked *a, sd_bus_message *call, struct manager *m, sd_bus_error *error);

/* The client may. @machine: name, NULL: about none. 0, or negative with the error set, and written down. */
int gateway_allow(struct asked *a, enum permission p, const char *machine);

/* gateway_open(), a machine's name, gateway_allow() of it. */
int gateway_open_machine(struct asked *a, sd_bus_message *call, struct manager *m, enum permission p, const char **name,
                         sd_bus_error *error);

/* Whether the machine is there and still what the client saw; @revision 0: any. */
int gateway_check_revision(const struct asked *a, const char *name, uint64_t revision);

/* --- bus-gateway-key.c --- */
/* Returns 1: answered as the first time; 0: go on; negative, with the error set, for a key of another request. */
int gateway_answered(struct asked *a);
/* Answers with an operation, which the key remembers; or hands on the error @r. */
int gateway_reply_operation(const struct asked *a, int r, const struct operation *op);

/* --- methods: bus-gateway-machine.c, bus-gateway-image.c, bus-gateway-audit.c --- */
int gateway_create(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_define(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_set(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_act(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_open_log(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_open_console(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_report(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_evidence(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_put_key(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_cancel(sd_bus_message *call, void *userdata, sd_bus_error *error);

int gateway_import_image(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_delete_image(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_collect_images(sd_bus_message *call, void *userdata, sd_bus_error *error);

int gateway_events(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_audit_export(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_audit_inclusion(sd_bus_message *call, void *userdata, sd_bus_error *error);

/* --- methods: bus-gateway-host.c --- */
int gateway_reload(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_endorsement(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_activate(sd_bus_message *call, void *userdata, sd_bus_error *error);

/* --- methods: bus-clients.c --- */
int gateway_list_clients(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_add_client(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_authority(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_remove_client(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_create_token(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_enrol(sd_bus_message *call, void *userdata, sd_bus_error *error);
int gateway_certify(sd_bus_message *call, void *userdata, sd_bus_error *error);

#endif
