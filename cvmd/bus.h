/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bus interface: names, objects, errors. docs/dbus.md lists it.
 */
#ifndef CVMD_BUS_H
#define CVMD_BUS_H

#include "util.h"

struct manager;
struct machine;

#define BUS_NAME "org.cvmd1"
#define BUS_MANAGER_PATH "/org/cvmd1"
#define BUS_MANAGER_INTERFACE "org.cvmd1.Manager"
#define BUS_HOST_PATH "/org/cvmd1/host"
#define BUS_HOST_INTERFACE "org.cvmd1.Host"
#define BUS_MACHINE_PREFIX "/org/cvmd1/machine"
#define BUS_MACHINE_INTERFACE "org.cvmd1.Machine"
#define BUS_IMAGE_PREFIX "/org/cvmd1/image"
#define BUS_IMAGE_INTERFACE "org.cvmd1.Image"
#define BUS_OPERATION_PREFIX "/org/cvmd1/operation"
#define BUS_OPERATION_INTERFACE "org.cvmd1.Operation"

#define BUS_GATEWAY_INTERFACE "org.cvmd1.Gateway"
#define BUS_CLIENTS_INTERFACE "org.cvmd1.Clients"

#define BUS_ERROR_INVALID_NAME "org.cvmd1.Error.InvalidName"
#define BUS_ERROR_INVALID_MEMORY "org.cvmd1.Error.InvalidMemory"
#define BUS_ERROR_INVALID_VCPUS "org.cvmd1.Error.InvalidVCPUs"
#define BUS_ERROR_INVALID_CMDLINE "org.cvmd1.Error.InvalidCommandLine"
#define BUS_ERROR_INVALID_KERNEL "org.cvmd1.Error.InvalidKernel"
#define BUS_ERROR_INVALID_INITRD "org.cvmd1.Error.InvalidInitrd"
#define BUS_ERROR_INVALID_ARGUMENT "org.cvmd1.Error.InvalidArgument"
#define BUS_ERROR_EXISTS "org.cvmd1.Error.Exists"
#define BUS_ERROR_NO_SUCH_MACHINE "org.cvmd1.Error.NoSuchMachine"
#define BUS_ERROR_NO_ROOTVISOR "org.cvmd1.Error.NoRootVisor"
#define BUS_ERROR_UNSAFE_HOST "org.cvmd1.Error.UnsafeHost"
#define BUS_ERROR_NOT_PROTECTED "org.cvmd1.Error.NotProtected"
#define BUS_ERROR_NOT_RUNNING "org.cvmd1.Error.NotRunning"
#define BUS_ERROR_STILL_ACTIVE "org.cvmd1.Error.StillActive"
#define BUS_ERROR_BUSY "org.cvmd1.Error.Busy"
#define BUS_ERROR_DENIED "org.cvmd1.Error.Denied"
#define BUS_ERROR_LIBVIRT "org.cvmd1.Error.Libvirt"
#define BUS_ERROR_LAUNCH_FAILED "org.cvmd1.Error.LaunchFailed"
#define BUS_ERROR_ROOTVISOR "org.cvmd1.Error.RootVisor"
#define BUS_ERROR_NO_SUCH_OPERATION "org.cvmd1.Error.NoSuchOperation"
#define BUS_ERROR_NOT_CANCELLABLE "org.cvmd1.Error.NotCancellable"
#define BUS_ERROR_CANCELLED "org.cvmd1.Error.Cancelled"
#define BUS_ERROR_INTERRUPTED "org.cvmd1.Error.Interrupted"
#define BUS_ERROR_NO_SUCH_IMAGE "org.cvmd1.Error.NoSuchImage"
#define BUS_ERROR_IMAGE_IN_USE "org.cvmd1.Error.ImageInUse"
#define BUS_ERROR_DIGEST_MISMATCH "org.cvmd1.Error.DigestMismatch"
#define BUS_ERROR_INVALID_CONFIG "org.cvmd1.Error.InvalidConfig"
#define BUS_ERROR_NO_SUCH_CLIENT "org.cvmd1.Error.NoSuchClient"
#define BUS_ERROR_INVALID_TOKEN "org.cvmd1.Error.InvalidToken"
#define BUS_ERROR_CHANGED "org.cvmd1.Error.Changed"
#define BUS_ERROR_KEY_REUSED "org.cvmd1.Error.KeyReused"
#define BUS_ERROR_STORE "org.cvmd1.Error.Store"
#define BUS_ERROR_TPM "org.cvmd1.Error.TPM"
#define BUS_ERROR_TOO_MANY_REQUESTS "org.cvmd1.Error.TooManyRequests" /* text ends "retry after N s" */
#define BUS_ERROR_FAILED "org.cvmd1.Error.Failed"

/* Put all objects on a connection. */
int bus_attach_objects(sd_bus *bus, struct manager *m);
/* Put all objects on m->bus and ask for the name. */
int bus_attach(struct manager *m);

/* --- bus-peer.c --- */
/* Serve on the sockets that the service manager handed over. Returns how many, or a negative errno, logged. */
int bus_listen(struct manager *m);
void bus_peers_free(struct manager *m);

/* The @i-th connection that signals go to, from 0: the bus, then the clients of cvmd.socket; NULL: not that one. */
sd_bus *bus_nth(const struct manager *m, size_t i);
#define BUS_FOREACH(b, m)                                                                                              \
    for (size_t _i = 0; _i <= (m)->nr_peers; _i++)                                                                     \
        if (((b) = bus_nth(m, _i)) != NULL)

/* Signals; no effect while there is neither bus nor peer. */
void bus_emit_added(struct manager *m, const char *path);
void bus_emit_removed(struct manager *m, const char *path);
/* @interface, @names: constants. */
void bus_emit_changed(struct manager *m, const char *path, const char *interface, const char *const *names);
/* From here on signals wait, until they are sent or forgotten. */
void bus_cork(struct manager *m);
void bus_uncork(struct manager *m);
void bus_forget_corked(struct manager *m);
void bus_machine_added(struct machine *m);
void bus_machine_changed(struct machine *m);
void bus_machine_settings_changed(struct machine *m);
void bus_machine_removed(struct machine *m);

struct operation;
void bus_operation_added(struct operation *op);
void bus_operation_changed(struct operation *op);
void bus_operation_removed(struct operation *op);

/* --- bus-image.c --- */
struct image;
extern const sd_bus_vtable bus_image_vtable[];
void bus_image_added(struct image *image);
void bus_image_removed(struct image *image);
int bus_image_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                   sd_bus_error *error);
int bus_image_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***nodes, sd_bus_error *error);

/* --- bus-gateway.c, bus-clients.c --- */
extern const sd_bus_vtable bus_gateway_vtable[];
extern const sd_bus_vtable bus_clients_vtable[];
void bus_clients_changed(struct manager *m);
void bus_audit_appended(struct manager *m);

/* --- bus-options.c --- */
struct machine_options;
/* Reads a{sv} into @o, whose strings and descriptors then belong to @call. */
int bus_read_options(sd_bus_message *call, struct machine_options *o, sd_bus_error *error);

/* Reads a{sv} with "Digest" s. */
int bus_read_import_options(sd_bus_message *call, const char **digest, sd_bus_error *error);

/* --- bus-manager.c --- */
extern const sd_bus_vtable bus_manager_vtable[];

/* --- bus-query.c, bus-image.c: methods of the Manager --- */
/* id, time, source, machine, uuid, event, reason, reason in words, message, who, arguments, number at the
 * source */
#define BUS_AUDIT_ENTRY "(ttssssusssatt)"
int bus_get_machine(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_list_machines(sd_bus_message *call, void *userdata, sd_bus_error *error);
struct store_audit;
/* Appends a BUS_AUDIT_ENTRY. 0 or a negative errno. */
int bus_append_audit(sd_bus_message *reply, const struct store_audit *a);
/* A socket to a running machine's console; the caller closes. */
int bus_machine_console(struct manager *m, const char *name, const char *who, int *ret, sd_bus_error *error);
/* What a machine printed, for reading. */
int bus_machine_log(struct manager *m, const char *name, int *ret, sd_bus_error *error);
int bus_get_operation(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_list_operations(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_get_image(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_list_images(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_open_console(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_open_log(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_read_audit(sd_bus_message *call, void *userdata, sd_bus_error *error);

/* --- bus-audit.c --- */
#define BUS_AUDIT_INTERFACE "org.cvmd1.Audit"
extern const sd_bus_vtable bus_audit_vtable[];
/* The reading end of a pipe with the export of [@from, @to); @to 0: all. The caller closes. */
int bus_audit_export(struct manager *m, uint64_t from, uint64_t to, int *ret, sd_bus_error *error);
/* Answers @call with an entry, its proof, a checkpoint. */
int bus_audit_prove(sd_bus_message *call, struct manager *m, uint64_t index, sd_bus_error *error);

/* --- bus-operation.c --- */
extern const sd_bus_vtable bus_operation_vtable[];
int bus_operation_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                       sd_bus_error *error);
int bus_operation_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***nodes,
                            sd_bus_error *error);

/* --- bus-machine.c, bus-host.c --- */
extern const sd_bus_vtable bus_machine_vtable[];
extern const sd_bus_vtable bus_host_vtable[];
int bus_machine_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                     sd_bus_error *error);
int bus_machine_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***nodes,
                          sd_bus_error *error);
/* A list for an enumerator: @n paths, each made by @path(@userdata, i). Returns 1. */
int bus_enumerate(size_t n, int (*path)(void *userdata, size_t i, char **ret), void *userdata, char ***nodes);
struct cvm_report;
/* A report for a nonce of @size bytes. 0, or a negative errno with @error set. */
int bus_machine_report(struct machine *m, const void *nonce, size_t size, struct cvm_report *ret, sd_bus_error *error);

/* --- bus-evidence.c: methods of Machine and Host --- */
/* Answers @call with the evidence document as a string, now or when the TPM has. Returns 1, or a negative errno with
 * @error set; not answered then. */
/* Hands the Guardian a sealed key, and answers the call. */
int bus_put_key(struct machine *m, sd_bus_message *call, const void *blob, size_t size, sd_bus_error *error);
int bus_send_evidence(struct machine *m, sd_bus_message *call, const void *nonce, size_t size, sd_bus_error *error);
int bus_get_evidence(sd_bus_message *call, void *userdata, sd_bus_error *error);
/* The same of the host's TPM; @who asks, NULL: root. */
int bus_send_endorsement(struct manager *m, sd_bus_message *call, sd_bus_error *error);
int bus_send_activation(struct manager *m, sd_bus_message *call, const char *challenge, const char *who, sd_bus_error *error);
int bus_get_endorsement(sd_bus_message *call, void *userdata, sd_bus_error *error);
int bus_activate_credential(sd_bus_message *call, void *userdata, sd_bus_error *error);

struct cvm_stats;
/* Appends a{st}: exits by name of the reason, those that happened. */
int bus_append_exits(sd_bus_message *reply, const struct cvm_stats *s);
/* The counter of @s that is called @property on the bus, one of those that hosts and machines both have. */
uint64_t bus_counter(const struct cvm_stats *s, const char *property);

#endif
