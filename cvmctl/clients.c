/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl client token, list, add, remove, authority: who may use the REST interface of this host. */
#include "client.h"
#include "output.h"
#include "transport.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { OPT_ROLE = OPTION_LONG, OPT_MACHINES, OPT_LIFETIME, OPT_NAME };

struct grant {
    const char *name, *role, *machines;
    uint64_t lifetime; /* seconds */
};

/* -1 to go on, or the exit status. */
static int take_options(int argc, char **argv, struct grant *g) {
    int c;

    *g = (struct grant){.role = "viewer", .machines = "*", .lifetime = 3600};
    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_ROLE)
            g->role = optarg;
        else if (c == OPT_MACHINES)
            g->machines = optarg;
        else if (c == OPT_NAME)
            g->name = optarg;
        else if (c == OPT_LIFETIME && parse_number(optarg, 1, 30 * 86400, &g->lifetime) < 0)
            return usage_error(argv[0], "--lifetime %s: must be 1 to %u seconds", optarg, 30 * 86400);
    return -1;
}

/* A method of org.cvmd1.Clients. 0, or prints and returns an exit status. */
static int call(const char *verb, const char *member, sd_bus_message **reply, const char *types, ...) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    sd_bus *bus;
    va_list ap;
    int r;

    r = transport_open(verb, &t);
    if (r != 0)
        return r;
    bus = transport_bus(t);
    if (!bus)
        return fail(verb, EXIT_REFUSED, "clients are told on the host itself: not with --host");
    r = sd_bus_message_new_method_call(bus, &m, "org.cvmd1", "/org/cvmd1", "org.cvmd1.Clients", member);
    if (r >= 0 && types) {
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
    }
    if (r >= 0)
        r = sd_bus_call(bus, m, CLIENT_TIMEOUT_USEC, &error, reply);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

static int verb_token(int argc, char **argv) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_json_ json_object *o = NULL;
    const char *token, *authority;
    char time[TIME_MAX_SIZE];
    uint64_t expires;
    struct grant g;
    int r;

    r = take_options(argc, argv, &g);
    if (r >= 0)
        return r;
    if (strcmp(argv[optind], "create") != 0)
        return usage_error(argv[0], "'%s' is nothing to do with a token", argv[optind]);
    r = call(argv[0], "CreateToken", &reply, "sssu", argv[optind + 1], g.role, g.machines, (uint32_t)g.lifetime);
    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "sts", &token, &expires, &authority);
    if (r < 0)
        return client_fail(argv[0], r, NULL);
    format_time(expires, time);
    if (arg_json) {
        o = json_object_new_object();
        json_object_object_add(o, "token", json_object_new_string(token));
        json_object_object_add(o, "expires", json_object_new_string(time));
        json_object_object_add(o, "authority_sha256", json_object_new_string(authority));
        return print_json(o);
    }
    if (arg_quiet) {
        puts(token);
        return EXIT_OK;
    }
    printf("Token:      %s\nGood until: %s, once\nAuthority:  sha256 %s\n", token, time, authority);
    return EXIT_OK;
}

static const char *const client_keys[] = {"id", "name", "role", "machines", "created", "expires"};
static const struct field client_fields[] = {
    {"id", "id", "Client", FORMAT_PLAIN},       {"name", "name", "Name", FORMAT_PLAIN},
    {"role", "role", "Role", FORMAT_PLAIN},     {"machines", "machines", "Machines", FORMAT_PLAIN},
    {"created", "created", "Since", FORMAT_TIME}, {"expires", "expires", "Until", FORMAT_TIME},
};

static int add_row(struct libscols_table *table, json_object *p) {
    const char *cells[ELEMENTSOF(client_fields)];
    char *values[ELEMENTSOF(client_fields)];
    int r;

    for (size_t i = 0; i < ELEMENTSOF(client_fields); i++) {
        json_object *v = NULL;

        json_object_object_get_ex(p, client_fields[i].property, &v);
        values[i] = format_value(client_fields[i].format, v);
        cells[i] = values[i] ?: "";
    }
    r = table_add(table, cells, ELEMENTSOF(cells), 0, NULL);
    for (size_t i = 0; i < ELEMENTSOF(values); i++)
        free(values[i]);
    return r;
}

static int verb_clients(int argc, char **argv) {
    static const char *const columns[] = {"CLIENT", "NAME", "ROLE", "MACHINES", "SINCE", "UNTIL", NULL};
    _cleanup_json_ json_object *all = NULL, *out = json_object_new_array();
    _cleanup_message_ sd_bus_message *reply = NULL;
    struct libscols_table *table;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = call(argv[0], "List", &reply, NULL);
    if (r != 0)
        return r;
    r = client_read_structs(reply, client_keys, ELEMENTSOF(client_keys), &all);
    if (r < 0)
        return client_fail(argv[0], r, NULL);
    table = table_new(columns);
    if (!table)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        json_object *p = json_object_array_get_idx(all, i), *id = NULL;

        json_object_array_add(out, fields_to_json(client_fields, ELEMENTSOF(client_fields), p));
        if (arg_quiet && !arg_json && json_object_object_get_ex(p, "id", &id))
            puts(json_object_get_string(id));
        if (add_row(table, p) < 0)
            return fail(argv[0], EXIT_FAILED, "out of memory");
    }
    return table_or_json(table, out, "No clients but root.");
}

static int print_empty(void) {
    _cleanup_json_ json_object *o = arg_json ? json_object_new_object() : NULL;

    return arg_json ? print_json(o) : EXIT_OK;
}

static int verb_add_client(int argc, char **argv) {
    struct grant g;
    int r;

    r = take_options(argc, argv, &g);
    if (r >= 0)
        return r;
    if (!g.name)
        return usage_error(argv[0], "--name is missing");
    r = call(argv[0], "Add", NULL, "ssss", argv[optind], g.name, g.role, g.machines);
    if (r != 0)
        return r;
    say("%s is %s of machines '%s' now.\n", g.name, g.role, g.machines);
    return print_empty();
}

static int verb_remove_client(int argc, char **argv) {
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = call(argv[0], "Remove", NULL, "s", argv[optind]);
    if (r != 0)
        return r;
    say("%s is no client any more.\n", argv[optind]);
    return print_empty();
}

static int verb_authority(int argc, char **argv) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_json_ json_object *o = NULL;
    const char *certificate, *sha256;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = call(argv[0], "Authority", &reply, NULL);
    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "ss", &certificate, &sha256);
    if (r < 0)
        return client_fail(argv[0], r, NULL);
    if (!arg_json) {
        fputs(certificate, stdout);
        return EXIT_OK;
    }
    o = json_object_new_object();
    json_object_object_add(o, "certificate", json_object_new_string(certificate));
    json_object_object_add(o, "sha256", json_object_new_string(sha256));
    return print_json(o);
}

static const struct verb_option grant_options[] = {
    {"role", OPT_ROLE, "viewer|operator|admin", "what the client may do (default: viewer)"},
    {"machines", OPT_MACHINES, "PATTERN", "machines that it may do it to, as fnmatch(3) (default: *)"},
    {0},
};
static const struct verb_option token_options[] = {
    {"lifetime", OPT_LIFETIME, "SECONDS", "how long the token is good (default: 3600)"},
    {0},
};
static const struct verb_option name_options[] = {{"name", OPT_NAME, "NAME", "what the client is called"}, {0}};

const struct verb client_verbs[] = {
    {.name = "client token",
     .arguments = "create NAME",
     .summary = "make a one-time token with which a client enrols",
     .run = verb_token,
     .text = "The client sends it with a certificate request to POST /v1/enrol; see cvmd-rest(8).",
     .options = {grant_options, token_options},
     .remote = true},
    {.name = "client list", .arguments = "", .summary = "list the clients", .run = verb_clients, .remote = true},
    {.name = "client add",
     .arguments = "CLIENT",
     .summary = "let a local user, or a certificate, use the interface",
     .run = verb_add_client,
     .text = "CLIENT is uid:NUMBER or cert:SHA256.",
     .options = {grant_options, name_options},
     .remark = "--name NAME",
     .remote = true},
    {.name = "client remove",
     .arguments = "CLIENT",
     .summary = "let a client in no more, at once",
     .run = verb_remove_client,
     .remote = true},
    {.name = "client authority",
     .arguments = "",
     .summary = "print the authority's certificate, for --cacert",
     .run = verb_authority,
     .remote = true},
    {0},
};
