// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/*.c
// LIBS: -ljson-c -lcrypto
// Requests to a key broker, as the network brings them: method, path, cookie (each ends with a line feed), body. A cookie "S" is that of a
// session, "A" that of one that was given evidence in vain. No input gets a key: nobody here signs a report.
#include <json-c/json.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/broker.h"
#include "attest/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64];
static struct cvm_broker_store store;
static struct cvm_broker *broker;

static void check(int c) {
    if (!c)
        abort();
}

static void write_text(const char *name, const char *text, size_t size) {
    char path[128];
    struct cvm_error e;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    check(cvm_write_secret_file(path, text, size, &e) == 0);
}

static void remove_store(void) {
    char command[96];

    snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0)
        fprintf(stderr, "%s is left\n", directory);
}

static void make_store(void) {
    static const char policy[] = "{\"profile\":\"tag:cvmd.org,2026:policy#1\",\"id\":\"fuzz\"}";
    static const struct cvm_broker_resource resource = { .name = "default/disk/a", .lease = 60 };
    EVP_PKEY *sign = EVP_EC_gen("P-256");
    BIO *pem = BIO_new(BIO_s_mem());
    struct cvm_error e = { "" };
    char *text;
    long n;

    umask(077);
    snprintf(directory, sizeof(directory), "%s/fuzz-broker.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    check(mkdtemp(directory) != NULL);
    atexit(remove_store);
    check(sign && PEM_write_bio_PrivateKey(pem, sign, NULL, NULL, 0, NULL, NULL) == 1);
    n = BIO_get_mem_data(pem, &text);
    write_text("sign.key", text, (size_t)n);
    write_text("policy.json", policy, sizeof(policy) - 1);
    BIO_free_all(pem);
    EVP_PKEY_free(sign);
    check(cvm_broker_store_open(directory, NULL, &store, &e) == 0);
    check(cvm_broker_resource_save(&store, &resource, NULL, "a key", 5, &e) == 0);
    check(cvm_broker_open(&store, &broker) == 0);
}

static unsigned ask(const char *method, const char *path, const char *session, const void *body, size_t size, struct cvm_broker_reply *reply) {
    const struct cvm_broker_request q = {
        .method = method, .path = path, .session = session, .peer = "fuzz", .body = body, .size = size, .now = 1000
    };
    json_object *o;

    check(cvm_broker_handle(broker, &q, reply) == 0);
    /* Whatever was asked: one object, and of an error its type. */
    o = json_tokener_parse(reply->body);
    check(json_object_is_type(o, json_type_object));
    check(reply->status == 200 || json_object_object_get_ex(o, "type", NULL));
    check(!json_object_object_get_ex(o, "blob", NULL) && !json_object_object_get_ex(o, "token", NULL));
    json_object_put(o);
    return reply->status;
}

/* The next line, without its end. */
static char *line(const uint8_t **data, size_t *size) {
    const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
    size_t n = end ? (size_t)(end - *data) : *size;
    char *ret = strndup((const char *)*data, n);

    check(ret != NULL);
    *data += n + !!end;
    *size -= n + !!end;
    return ret;
}

static void begin(char cookie[CVM_BROKER_SESSION_HEX + 1], bool used) {
    static const char auth[] = "{\"version\":\"0.1.0\",\"tee\":\"cvmd\"}", evidence[] = "{\"tee-evidence\":\"x\"}";
    struct cvm_broker_reply reply;

    check(ask("POST", "/kbs/v0/auth", NULL, auth, sizeof(auth) - 1, &reply) == 200);
    strcpy(cookie, reply.session);
    free(reply.body);
    if (!used)
        return;
    check(ask("POST", "/kbs/v0/attest", cookie, evidence, sizeof(evidence) - 1, &reply) == 401);
    free(reply.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char cookie[CVM_BROKER_SESSION_HEX + 1] = "", *method, *path, *session;
    struct cvm_broker_reply reply;
    static unsigned sessions;

    /* A new broker before the table of sessions is full. */
    if (!broker)
        make_store();
    else if (++sessions % (CVM_BROKER_SESSIONS / 4) == 0) {
        cvm_broker_free(broker);
        check(cvm_broker_open(&store, &broker) == 0);
    }
    method = line(&data, &size);
    path = line(&data, &size);
    session = line(&data, &size);
    if (strcmp(session, "S") == 0 || strcmp(session, "A") == 0)
        begin(cookie, *session == 'A');
    ask(method, path, *cookie ? cookie : session, data, size, &reply);
    free(reply.body);
    free(method);
    free(path);
    free(session);
    return 0;
}
