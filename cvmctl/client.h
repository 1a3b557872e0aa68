/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus side: connection, calls, properties as JSON, errors as exit statuses. */
#ifndef CVMCTL_CLIENT_H
#define CVMCTL_CLIENT_H

#include "cvmctl.h"

#include <systemd/sd-bus.h>

#define _cleanup_bus_ _cleanup_(sd_bus_flush_close_unrefp)
#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_ _cleanup_(sd_bus_error_free)

/* Long enough for a busy host in an emulator. */
#define CLIENT_TIMEOUT_USEC (300ull * 1000000u)

/* Returns 0, or prints and returns an exit status. */
int client_connect(const char *verb, sd_bus **ret);
/* Prints an error of a call and returns the exit status for it. */
int client_fail(const char *verb, int r, const sd_bus_error *error);

/**
 * client_call - a method of the Manager
 * @timeout: microseconds, UINT64_MAX: none
 * @reply: may be NULL
 * @types: of the arguments that follow
 *
 * Returns 0, or prints and returns an exit status.
 */
int client_call(const char *verb, sd_bus *bus, const char *member, uint64_t timeout, sd_bus_message **reply,
                const char *types, ...);

/* All properties of one interface as a JSON object, named as on the bus. Same results. */
int client_properties(const char *verb, sd_bus *bus, const char *path, const char *interface,
                      json_object **ret);
/* The same of a machine by its name. */
int client_machine(const char *verb, sd_bus *bus, const char *name, json_object **ret);
/* The value at the reader's place as JSON: a{s*}, a{o*} become objects, ay hexadecimal digits. 0 or a
 * negative errno. */
int client_read_value(sd_bus_message *m, json_object **ret);
/* An array of structs as an array of objects, their members named by @keys. 0 or a negative errno. */
int client_read_structs(sd_bus_message *m, const char *const *keys, size_t n, json_object **ret);
/* Object path of a machine. */
int client_machine_path(const char *verb, sd_bus *bus, const char *name, char **ret);

#endif
