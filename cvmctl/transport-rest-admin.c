/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* REST: keys, the host's TPM, the clients of the interface. */
#include "transport-rest.h"

#include "attest/json.h"

#include <string.h>

int rest_put_key(struct transport *t, const char *verb, const char *machine, const void *blob, size_t size) {
    _cleanup_free_ char *escaped = http_escape(rest_of(t)->http, machine), *base64 = cvm_base64url_encode(blob, size);
    _cleanup_json_ json_object *answer = NULL, *body = NULL;

    if (!escaped || !base64)
        return fail(verb, EXIT_FAILED, "out of memory");
    body = members("key", base64, NULL);
    return rest_request(rest_of(t), verb, "POST", body, false, &answer, "/v1/machines/%s/key", escaped);
}

int rest_enrolment(struct transport *t, const char *verb, const char *challenge, char **ret) {
    _cleanup_json_ json_object *answer = NULL, *body = NULL;
    struct cvm_error e = {""};
    int r;

    if (challenge && cvm_json_parse(challenge, strlen(challenge), &body, &e) < 0)
        return fail(verb, EXIT_USAGE, "the challenge: %s", e.text);
    r = challenge ? rest_request(rest_of(t), verb, "POST", body, false, &answer, "/v1/host/activate")
                  : rest_request(rest_of(t), verb, "GET", NULL, false, &answer, "/v1/host/endorsement");
    if (r != 0)
        return r;
    *ret = strdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

/* A member that is a time, or null, as microseconds. */
static void count_time(json_object *o, const char *key) {
    json_object *v = NULL;

    json_object_object_get_ex(o, key, &v);
    json_object_object_add(o, key, json_object_new_uint64(v ? rest_parse_time(json_object_get_string(v)) : 0));
}

int rest_clients(struct transport *t, const char *verb, json_object **ret) {
    _cleanup_json_ json_object *answer = NULL;
    json_object *list = NULL;
    int r = rest_request(rest_of(t), verb, "GET", NULL, false, &answer, "/v1/clients");

    if (r != 0)
        return r;
    if (!json_object_object_get_ex(answer, "clients", &list) || !json_object_is_type(list, json_type_array))
        return fail(verb, EXIT_FAILED, "the gateway sent no list of clients");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        count_time(json_object_array_get_idx(list, i), "created");
        count_time(json_object_array_get_idx(list, i), "expires");
    }
    *ret = json_object_get(list);
    return 0;
}

int rest_add_client(struct transport *t, const char *verb, const struct client_grant *g) {
    _cleanup_json_ json_object *answer = NULL, *body = members("name", g->name, "role", g->role, "machines", g->machines, NULL);
    _cleanup_free_ char *escaped = http_escape(rest_of(t)->http, g->id);

    if (!escaped)
        return fail(verb, EXIT_FAILED, "out of memory");
    return rest_request(rest_of(t), verb, "PUT", body, false, &answer, "/v1/clients/%s", escaped);
}

int rest_remove_client(struct transport *t, const char *verb, const char *id) {
    _cleanup_free_ char *escaped = http_escape(rest_of(t)->http, id);
    _cleanup_json_ json_object *answer = NULL;

    if (!escaped)
        return fail(verb, EXIT_FAILED, "out of memory");
    return rest_request(rest_of(t), verb, "DELETE", NULL, false, &answer, "/v1/clients/%s", escaped);
}

int rest_create_token(struct transport *t, const char *verb, const struct client_grant *g, json_object **ret) {
    _cleanup_json_ json_object *body = members("name", g->name, "role", g->role, "machines", g->machines, NULL);
    int r;

    json_object_object_add(body, "lifetime", json_object_new_uint64(g->lifetime));
    r = rest_request(rest_of(t), verb, "POST", body, false, ret, "/v1/clients/tokens");
    if (r == 0)
        count_time(*ret, "expires");
    return r;
}

int rest_authority(struct transport *t, const char *verb, json_object **ret) {
    return rest_request(rest_of(t), verb, "GET", NULL, false, ret, "/v1/clients/authority");
}
