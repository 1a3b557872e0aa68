/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients.h"

#include "bus.h"
#include "ca.h"
#include "manager.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#define USEC 1000000ull

static int store_fails(sd_bus_error *error, int r) {
    sd_bus_error_setf(error, BUS_ERROR_STORE, "the store cannot be used: %s", strerror(-r));
    return r;
}

/* "uid:N" or "cert:" and 64 hexadecimal digits. */
static bool id_is_valid(const char *id) {
    if (strncmp(id, "uid:", 4) == 0) {
        size_t n = strspn(id + 4, "0123456789");

        return n > 0 && n <= 10 && !id[4 + n];
    }
    return strncmp(id, "cert:", 5) == 0 && strspn(id + 5, "0123456789abcdef") == 64 && !id[69];
}

static bool name_is_valid(const char *s) {
    size_t n = strlen(s);

    if (n < 1 || n > 63 || !isascii(s[0]) || !isalnum((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) && !strchr("._-@", s[i])))
            return false;
    return true;
}

static int take(void *userdata, const struct store_client *row) {
    struct client *c = userdata;
    int role = role_from_string(row->role);

    snprintf(c->name, sizeof(c->name), "%s", row->name);
    snprintf(c->pattern, sizeof(c->pattern), "%s", row->pattern);
    c->revision = row->created;
    /* What this cvmd does not understand gives nothing. */
    c->role = role < 0 || (row->expires && row->expires < now_usec(CLOCK_REALTIME)) ? ROLE_NONE : (enum role)role;
    return 0;
}

int client_find(struct manager *m, const char *id, struct client *ret) {
    int r;

    *ret = (struct client){0};
    if (!id_is_valid(id))
        return -EINVAL;
    snprintf(ret->id, sizeof(ret->id), "%s", id);
    if (strcmp(id, "uid:0") == 0) {
        strcpy(ret->name, "root");
        strcpy(ret->pattern, "*");
        ret->role = ROLE_ADMIN;
        return 0;
    }
    r = store_get_client(m->store, id, take, ret);
    return r < 0 ? r : 0;
}

char *client_describe(const struct client *c) {
    char *s;

    if (asprintf(&s, "client %s (%.21s)", c->name[0] ? c->name : "unknown", c->id) < 0)
        return NULL;
    return s;
}

int client_authorize(struct manager *m, const char *id, enum permission p, const char *machine, const char *what,
                     struct client *ret, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r = client_find(m, id, ret);

    if (r < 0 && r != -EINVAL)
        return store_fails(error, r);
    if (r == 0 && grant_allows(ret->role, ret->pattern, p, machine))
        return 0;
    if (r < 0)
        sd_bus_error_setf(error, BUS_ERROR_DENIED, "nobody is named as the client");
    else if (ret->role == ROLE_NONE)
        sd_bus_error_setf(error, BUS_ERROR_DENIED, "%.21s is no client of this host", id);
    else
        sd_bus_error_setf(error, BUS_ERROR_DENIED, "%s is %s of machines '%s', which does not allow: %s%s%.64s", ret->name,
                          role_to_string(ret->role), ret->pattern, permission_to_string(p), machine ? " " : "",
                          machine ?: "");
    if (r == 0)
        who = client_describe(ret);
    else if (asprintf(&who, "nobody (%.50s)", id) >= 0)
        cvm_defang(who);
    else
        who = NULL;
    audit(m, machine ? manager_find(m, machine) : NULL, "denied", who, "%s%s%.64s denied: %s", what, machine ? " of " : "",
          machine ?: "", error->message);
    return -EACCES;
}

int clients_authority(struct manager *m, struct ca **ret, sd_bus_error *error) {
    struct cvm_error e = {0};
    int r;

    if (!m->ca) {
        r = ca_open(m->config->state_directory, &m->ca, &e);
        if (r < 0) {
            sd_bus_error_set(error, BUS_ERROR_FAILED, e.text);
            return r;
        }
    }
    *ret = m->ca;
    return 0;
}

static int check(const char *name, const char *role, const char *pattern, sd_bus_error *error) {
    if (!name_is_valid(name))
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT,
                                 "a client's name has 1 to 63 letters, digits, '.', '_', '-', '@'");
    if (role_from_string(role) < 0)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "role '%.32s' is neither viewer nor operator nor admin", role);
    if (!pattern_is_valid(pattern))
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT,
                                 "a pattern of machine names has 1 to 128 visible characters, no comma");
    return 0;
}

static int token_digest(const char *token, char hex[65]) {
    uint8_t digest[32];

    if (!EVP_Digest(token, strlen(token), digest, NULL, EVP_sha256(), NULL))
        return -ENOMEM;
    cvm_hex_encode(digest, sizeof(digest), hex);
    return 0;
}

int client_create_token(struct manager *m, const char *name, const char *role, const char *pattern, uint32_t lifetime,
                        const char *who, char **token, uint64_t *expires, sd_bus_error *error) {
    _cleanup_free_ char *text = NULL;
    uint64_t now = now_usec(CLOCK_REALTIME);
    uint8_t random[32];
    char hex[65];
    int r;

    r = check(name, role, pattern, error);
    if (r < 0)
        return r;
    if (lifetime < 1 || lifetime > TOKEN_LIFETIME_MAX)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "a token lives 1 to %u seconds", TOKEN_LIFETIME_MAX);
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return sd_bus_error_set_errno(error, -EIO);
    text = cvm_base64url_encode(random, sizeof(random));
    explicit_bzero(random, sizeof(random));
    if (!text || token_digest(text, hex) < 0)
        return sd_bus_error_set_errno(error, -ENOMEM);
    *expires = now + lifetime * USEC;
    (void)store_expire_tokens(m->store, now);
    r = store_put_token(m->store, &(struct store_client){.id = hex,
                                                         .name = name,
                                                         .role = role,
                                                         .pattern = pattern,
                                                         .created = now,
                                                         .expires = *expires});
    if (r < 0)
        return store_fails(error, r);
    audit(m, NULL, "client-token", who, "token for client %s, %s of machines '%s', for %u s", name, role, pattern, lifetime);
    *token = TAKE_PTR(text);
    return 0;
}

struct token {
    char name[64], role[16], pattern[129];
    uint64_t expires;
};

static int take_token(void *userdata, const struct store_client *row) {
    struct token *t = userdata;

    snprintf(t->name, sizeof(t->name), "%s", row->name);
    snprintf(t->role, sizeof(t->role), "%s", row->role);
    snprintf(t->pattern, sizeof(t->pattern), "%s", row->pattern);
    t->expires = row->expires;
    return 0;
}

static int bad_token(struct manager *m, const char *why, sd_bus_error *error) {
    audit(m, NULL, "denied", NULL, "Enrol denied: %s", why);
    sd_bus_error_setf(error, BUS_ERROR_INVALID_TOKEN, "the token is not valid (any more)");
    return -EACCES;
}

int client_enrol(struct manager *m, const char *token, const char *csr, char **certificate, char id[72],
                 sd_bus_error *error) {
    uint64_t now = now_usec(CLOCK_REALTIME), expires;
    _cleanup_free_ char *pem = NULL;
    struct cvm_error e = {0};
    struct token t = {0};
    struct ca *ca;
    char hex[65];
    int r;

    if (strlen(token) > 128 || token_digest(token, hex) < 0)
        return bad_token(m, "no token", error);
    r = store_get_token(m->store, hex, take_token, &t);
    if (r < 0)
        return store_fails(error, r);
    if (r == 0)
        return bad_token(m, "an unknown or spent token", error);
    if (t.expires < now)
        return bad_token(m, "an expired token", error);
    r = clients_authority(m, &ca, error);
    if (r < 0)
        return r;
    r = ca_sign(ca, csr, t.name, false, NULL, &pem, id, &expires, &e);
    if (r < 0) /* the token is not spent by a bad request */
        return sd_bus_error_set(error, BUS_ERROR_INVALID_ARGUMENT, e.text);

    /* Spent and enrolled in one step: a token never gives two certificates. */
    r = store_begin(m->store);
    if (r < 0)
        return store_fails(error, r);
    r = store_delete_token(m->store, hex);
    if (r == 0)
        r = -ENOENT;
    if (r > 0)
        r = store_put_client(m->store, &(struct store_client){.id = id,
                                                              .name = t.name,
                                                              .role = t.role,
                                                              .pattern = t.pattern,
                                                              .created = now,
                                                              .expires = expires});
    if (r >= 0)
        r = store_commit(m->store);
    if (r < 0) {
        (void)store_rollback(m->store);
        return store_fails(error, r);
    }
    audit(m, NULL, "client-enrolled", NULL, "client %s (%.21s), %s of machines '%s'", t.name, id, t.role, t.pattern);
    bus_clients_changed(m);
    *certificate = TAKE_PTR(pem);
    return 0;
}

static int check_revision(const struct client *c, const char *id, uint64_t revision, sd_bus_error *error) {
    if (!revision || revision == c->revision)
        return 0;
    sd_bus_error_setf(error, BUS_ERROR_CHANGED, "client '%.80s' has changed", id);
    return -ESTALE;
}

int client_add(struct manager *m, const char *id, const char *name, const char *role, const char *pattern, uint64_t revision,
               const char *who, sd_bus_error *error) {
    uint64_t now = now_usec(CLOCK_REALTIME);
    int r = check(name, role, pattern, error);
    struct client old;

    if (r < 0)
        return r;
    if (!id_is_valid(id) || strcmp(id, "uid:0") == 0)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "a client is uid:NUMBER (not 0) or cert:SHA256");
    r = client_find(m, id, &old);
    if (r < 0)
        return store_fails(error, r);
    r = check_revision(&old, id, revision, error);
    if (r < 0)
        return r;
    r = store_put_client(m->store, &(struct store_client){.id = id,
                                                          .name = name,
                                                          .role = role,
                                                          .pattern = pattern,
                                                          .created = now > old.revision ? now : old.revision + 1});
    if (r < 0)
        return store_fails(error, r);
    audit(m, NULL, "client-added", who, "client %s (%.21s), %s of machines '%s'", name, id, role, pattern);
    bus_clients_changed(m);
    return 0;
}

int client_remove(struct manager *m, const char *id, uint64_t revision, const char *who, sd_bus_error *error) {
    struct client c;
    int r = client_find(m, id, &c), s;

    s = r < 0 ? 0 : check_revision(&c, id, revision, error);
    if (s < 0)
        return s;
    if (r >= 0)
        r = store_delete_client(m->store, id);
    if (r < 0 && r != -EINVAL)
        return store_fails(error, r);
    if (r <= 0) {
        sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_CLIENT, "there is no client '%.80s'", id);
        return -ENOENT;
    }
    audit(m, NULL, "client-removed", who, "client %s (%.21s)", c.name, id);
    bus_clients_changed(m);
    return 0;
}
