/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl client token, list, add, remove, authority: who may use the REST interface of a host. */
#include "output.h"
#include "member.h"
#include "transport.h"

#include <stdio.h>
#include <string.h>

enum { OPT_ROLE = OPTION_LONG, OPT_MACHINES, OPT_LIFETIME, OPT_NAME };

/* -1 to go on, or the exit status. */
static int take_options(int argc, char **argv, struct client_grant *g) {
    uint64_t lifetime = 3600;
    int c;

    *g = (struct client_grant){.role = "viewer", .machines = "*"};
    while ((c = verb_getopt(argc, argv)) >= 0)
        if (c == OPT_ROLE)
            g->role = optarg;
        else if (c == OPT_MACHINES)
            g->machines = optarg;
        else if (c == OPT_NAME)
            g->name = optarg;
        else if (c == OPT_LIFETIME && parse_number(optarg, 1, 30 * 86400, &lifetime) < 0)
            return usage_error(argv[0], "--lifetime %s: must be 1 to %u seconds", optarg, 30 * 86400);
    g->lifetime = (uint32_t)lifetime;
    return -1;
}

static int verb_token(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *o = NULL;
    char time[TIME_MAX_SIZE];
    struct client_grant g;
    int r;

    r = take_options(argc, argv, &g);
    if (r >= 0)
        return r;
    if (strcmp(argv[optind], "create") != 0)
        return usage_error(argv[0], "'%s' is nothing to do with a token", argv[optind]);
    g.name = argv[optind + 1];
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->create_token(t, argv[0], &g, &o);
    if (r != 0)
        return r;
    format_time(json_object_get_uint64(json_object_object_get(o, "expires")), time);
    if (arg_quiet && !arg_json) {
        puts(member_text(o, "token"));
        return EXIT_OK;
    }
    return done(members("token", member_text(o, "token"), "expires", time, "authority_sha256",
                        member_text(o, "authority_sha256"), NULL),
                "Token:      %s\nGood until: %s, once\nAuthority:  sha256 %s\n", member_text(o, "token"),
                time, member_text(o, "authority_sha256"));
}

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
    _cleanup_transport_ struct transport *t = NULL;
    struct libscols_table *table;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->clients(t, argv[0], &all);
    if (r != 0)
        return r;
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

static int verb_add_client(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    struct client_grant g;
    int r;

    r = take_options(argc, argv, &g);
    if (r >= 0)
        return r;
    if (!g.name)
        return usage_error(argv[0], "--name is missing");
    g.id = argv[optind];
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->add_client(t, argv[0], &g);
    return r ?: done(members("id", g.id, "name", g.name, "role", g.role, "machines", g.machines, NULL),
                     "%s is %s of machines '%s' now.\n", g.name, g.role, g.machines);
}

static int verb_remove_client(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->remove_client(t, argv[0], argv[optind]);
    return r ?: done(members("removed", argv[optind], NULL), "%s is no client any more.\n", argv[optind]);
}

static int verb_authority(int argc, char **argv) {
    _cleanup_transport_ struct transport *t = NULL;
    _cleanup_json_ json_object *o = NULL;
    int r;

    while (verb_getopt(argc, argv) >= 0)
        ;
    r = transport_open(argv[0], &t);
    if (r == 0)
        r = t->ops->authority(t, argv[0], &o);
    if (r != 0)
        return r;
    if (arg_json)
        return print_json(o);
    fputs(member_text(o, "certificate"), stdout);
    return EXIT_OK;
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
