/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-client.h"
#include "https.h"

#include "attest/broker.h"
#include "attest/json.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MAX (1u << 20)
#define TIMEOUT_SECONDS 120L
#define AUTH "{\"version\":\"0.1.0\",\"tee\":\"cvmd\",\"extra-params\":\"\"}"

struct answer {
    char *text;
    size_t size;
    char cookie[96];
};

static size_t on_body(char *p, size_t one, size_t n, void *data) {
    struct answer *a = data;
    char *grown;

    (void)one;
    if (n > ANSWER_MAX - a->size)
        return 0;
    grown = realloc(a->text, a->size + n + 1);
    if (!grown)
        return 0;
    a->text = grown;
    memcpy(grown + a->size, p, n);
    a->size += n;
    grown[a->size] = 0;
    return n;
}

/* "Set-Cookie: kbs-session-id=...; ..." */
static size_t on_header(char *p, size_t one, size_t n, void *data) {
    static const char name[] = "set-cookie: " CVM_BROKER_COOKIE "=";
    struct answer *a = data;
    size_t skip = sizeof(name) - 1, len;

    (void)one;
    if (n <= skip || strncasecmp(p, name, skip))
        return n;
    for (len = 0; skip + len < n && strchr("0123456789abcdef", p[skip + len]) && p[skip + len]; len++)
        ;
    if (len < sizeof(a->cookie)) {
        memcpy(a->cookie, p + skip, len);
        a->cookie[len] = 0;
    }
    return n;
}

static int transfer(CURL *c, const struct broker_session *s, const char *path, const char *body, struct answer *a,
                    struct broker_refusal *why) {
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char url[512], cookie[160], text[CURL_ERROR_SIZE] = "";
    CURLcode r;

    snprintf(url, sizeof(url), "%s%s", s->url, path);
    snprintf(cookie, sizeof(cookie), CVM_BROKER_COOKIE "=%s", s->cookie);
    https_prepare(c, url, CURL_SSLVERSION_TLSv1_3, s->certificate, TIMEOUT_SECONDS, text);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, a);
    if (*s->cookie)
        curl_easy_setopt(c, CURLOPT_COOKIE, cookie);
    if (body)
        curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, body);
    r = curl_easy_perform(c);
    if (r == CURLE_OK)
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &why->status);
    else
        snprintf(why->detail, sizeof(why->detail), "%s", *text ? text : curl_easy_strerror(r));
    curl_slist_free_all(headers);
    return r == CURLE_OK ? 0 : -EIO;
}

static void take_text(json_object *o, const char *name, char *out, size_t size) {
    const char *s;

    if (cvm_json_string(o, name, &s, NULL) == 0)
        snprintf(out, size, "%s", s);
    cvm_defang(out);
}

/* One request. @ret: the object that came with status 200. */
static int ask(const struct broker_session *s, const char *path, const char *body, json_object **ret, char *cookie,
               struct broker_refusal *why) {
    _cleanup_json_ json_object *o = NULL;
    struct answer a = {.text = NULL};
    struct cvm_error e;
    CURL *c;
    int r;

    memset(why, 0, sizeof(*why));
    c = curl_easy_init();
    if (!c)
        return -ENOMEM;
    r = transfer(c, s, path, body, &a, why);
    curl_easy_cleanup(c);
    if (r == 0 && (!a.text || cvm_json_parse(a.text, a.size, &o, &e) < 0)) {
        snprintf(why->detail, sizeof(why->detail), "the answer (status %ld) is no JSON object", why->status);
        r = -EPROTO;
    }
    free(a.text);
    if (r < 0)
        return r;
    if (why->status != 200) {
        take_text(o, "code", why->code, sizeof(why->code));
        take_text(o, "detail", why->detail, sizeof(why->detail));
        return -EACCES;
    }
    if (cookie)
        strcpy(cookie, a.cookie);
    *ret = o;
    o = NULL;
    return 0;
}

static int bad(struct broker_refusal *why, const struct cvm_error *e) {
    snprintf(why->detail, sizeof(why->detail), "%.200s", e->text);
    return -EPROTO;
}

int broker_client_auth(struct broker_session *s, struct broker_refusal *why) {
    _cleanup_json_ json_object *o = NULL;
    struct cvm_error e = {"no session"};
    int r;

    s->cookie[0] = 0;
    r = ask(s, "/kbs/v0/auth", AUTH, &o, s->cookie, why);
    if (r < 0)
        return r;
    r = cvm_json_base64url(o, "nonce", s->nonce, sizeof(s->nonce), &e);
    return r < 0 || !*s->cookie ? bad(why, &e) : 0;
}

int broker_client_attest(const struct broker_session *s, const char *evidence, char **token,
                         struct broker_refusal *why) {
    _cleanup_json_ json_object *o = NULL, *request = json_object_new_object();
    struct cvm_error e = {""};
    const char *text = NULL;
    int r;

    if (!request)
        return -ENOMEM;
    json_object_object_add(request, "tee-evidence", json_object_new_string(evidence));
    r = ask(s, "/kbs/v0/attest", json_object_to_json_string_ext(request, JSON_C_TO_STRING_NOSLASHESCAPE), &o, NULL, why);
    if (r < 0)
        return r;
    r = cvm_json_string(o, "token", &text, &e);
    if (r < 0)
        return bad(why, &e);
    if (!token)
        return 0;
    *token = strdup(text);
    return *token ? 0 : -ENOMEM;
}

int broker_client_resource(const struct broker_session *s, const char *resource, struct cvm_key_blob *ret,
                           struct broker_refusal *why) {
    _cleanup_json_ json_object *o = NULL;
    struct cvm_error e = {""};
    char path[256];
    int r;

    snprintf(path, sizeof(path), "/kbs/v0/resource/%s", resource);
    r = ask(s, path, NULL, &o, NULL, why);
    if (r < 0)
        return r;
    r = cvm_json_base64url(o, "blob", ret, sizeof(*ret), &e);
    return r < 0 ? bad(why, &e) : 0;
}
