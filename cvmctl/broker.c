/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl broker: the tenant's key broker. All it keeps is in one directory, attest/broker-store.h.
 */
#include "cvmctl.h"

#include "broker-log.h"
#include "broker-server.h"
#include "broker-token.h"
#include "broker-vault.h"
#include "output.h"

#include "attest/json.h"
#include "attest/key.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTIFICATE_DAYS 825
#define WRAP_CREDENTIAL "cvm-broker.wrap-key"
#define PIN_CREDENTIAL "cvm-broker.pin"
#define VAULT_CREDENTIAL "cvm-broker.vault-token"

CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
CVM_DEFINE_CLEANUP(X509 *, X509_free)
CVM_DEFINE_CLEANUP(BIO *, BIO_free_all)

enum {
    OPT_POLICY = OPTION_LONG,
    OPT_NAME,
    OPT_KEY_FILE,
    OPT_ACCEPT,
    OPT_LEASE,
    OPT_INSTANCES,
    OPT_ROLLBACK,
    OPT_DISK_MARK,
    OPT_LISTEN,
    OPT_THREADS,
    OPT_WRAP_KEY,
    OPT_TOKEN,
    OPT_PIN_FILE,
    OPT_VAULT,
    OPT_VAULT_CA,
    OPT_VAULT_TOKEN_FILE,
    OPT_VAULT_TIMEOUT,
    OPT_HOST,
    OPT_DIGEST,
    OPT_MIN_SVN,
    OPT_ENROLMENT_KEY,
};

struct broker_options {
    const char *policy, *name, *enrolment_key, *key_file, *wrap_key, *token, *pin_file;
    const char *listed[2][16]; /* hosts, digests */
    unsigned nr_listed[2];
    uint64_t min_svn;
    bool has_min_svn;
    struct broker_vault_options vault;
    struct broker_server_options server;
    struct cvm_broker_resource resource;
};

static const struct verb_option init_options[] = {
    {"policy", OPT_POLICY, "FILE", "what evidence must meet; with reference values"},
    {"enrolment-key", OPT_ENROLMENT_KEY, "FILE", "public key of the records in DIR/enrolments (cvmctl enrol)"},
    {"name", OPT_NAME, "NAME", "host name or address for the certificate (default: localhost)"},
    {0},
};
static const struct verb_option wrap_options[] = {
    {"wrap-key", OPT_WRAP_KEY, "FILE",
     "32 bytes that wrap the keys in the store (default: the systemd credential\n" WRAP_CREDENTIAL
     ", if there is one)"},
    {"token", OPT_TOKEN, "URI", "PKCS#11 URI of an AES key in a token that wraps them instead"},
    {"pin-file", OPT_PIN_FILE, "FILE",
     "the token's PIN (default: the systemd credential " PIN_CREDENTIAL ",\nthen pin-source of the URI)"},
    {"vault", OPT_VAULT, "URL", "https://HOST:PORT/MOUNT/KEY: a key of Vault's transit engine that wraps them"},
    {"vault-ca", OPT_VAULT_CA, "FILE", "certificates that may sign for Vault (default: the system's)"},
    {"vault-token-file", OPT_VAULT_TOKEN_FILE, "FILE",
     "token for Vault, read at every use (default: the systemd credential\n" VAULT_CREDENTIAL ")"},
    {"vault-timeout", OPT_VAULT_TIMEOUT, "SECONDS", "give up on Vault after so long (default: 10)"},
    {0},
};
static const struct verb_option add_options[] = {
    {"key-file", OPT_KEY_FILE, "FILE", "the key, 1 to 248 bytes; '-': standard input"},
    {"policy", OPT_POLICY, "NAME", "a policy beside policy.json in the store that must be met, too"},
    {"accept-warning", OPT_ACCEPT, "CODE", "release in spite of this warning; may be given again"},
    {"lease", OPT_LEASE, "SECONDS", "after so long the VM must attest again (default: 3600)"},
    {"instances", OPT_INSTANCES, "WHICH", "newest: not a VM that a later one replaced (default); any"},
    {"rollback", OPT_ROLLBACK, "RULE", "refuse: no older rollback counter (default); require: and none without; allow"},
    {"disk-mark", OPT_DISK_MARK, "RULE", "tell the guest behind the key how old its disk may be (cvm-guest(1)). refuse: no older\none than the last start's; allow; none: do not (default)"},
    {0},
};
static const struct verb_option serve_options[] = {
    {"listen", OPT_LISTEN, "ADDRESS:PORT", "where (default: 127.0.0.1:8443)"},
    {"threads", OPT_THREADS, "N", "how many serve (default: four a CPU: they wait for the disk)"},
    {0},
};
static const struct verb_option revoke_options[] = {
    {"host", OPT_HOST, "HEX", "id of a report key: that host gets nothing any more"},
    {"digest", OPT_DIGEST, "HEX", "of a RootVisor or Guardian"},
    {"min-svn", OPT_MIN_SVN, "N", "least security version of RootVisor"},
    {0},
};
static int take_option(struct broker_options *o, int c) {
    uint64_t n = 0;
    unsigned list;

    switch (c) {
    case OPT_POLICY:
        o->policy = optarg;
        return 0;
    case OPT_NAME:
        o->name = optarg;
        return 0;
    case OPT_ENROLMENT_KEY:
        o->enrolment_key = optarg;
        return 0;
    case OPT_KEY_FILE:
        o->key_file = optarg;
        return 0;
    case OPT_WRAP_KEY:
        o->wrap_key = optarg;
        return 0;
    case OPT_TOKEN:
        o->token = optarg;
        return 0;
    case OPT_PIN_FILE:
        o->pin_file = optarg;
        return 0;
    case OPT_VAULT:
        o->vault.url = optarg;
        return 0;
    case OPT_VAULT_CA:
        o->vault.ca = optarg;
        return 0;
    case OPT_VAULT_TOKEN_FILE:
        o->vault.token_file = optarg;
        return 0;
    case OPT_VAULT_TIMEOUT:
        if (parse_number(optarg, 1, 120, &n) < 0)
            return -EINVAL;
        o->vault.timeout = (unsigned)n;
        return 0;
    case OPT_LISTEN:
        o->server.listen = optarg;
        return 0;
    case OPT_ACCEPT:
        if (o->resource.nr_accepted == CVM_BROKER_WARNINGS || strlen(optarg) >= sizeof(o->resource.accepted[0]))
            return -EINVAL;
        strcpy(o->resource.accepted[o->resource.nr_accepted++], optarg);
        return 0;
    case OPT_LEASE:
        if (parse_number(optarg, 1, 86400 * 30, &n) < 0)
            return -EINVAL;
        o->resource.lease = (unsigned)n;
        return 0;
    case OPT_INSTANCES:
        if (strcmp(optarg, "any") && strcmp(optarg, "newest"))
            return -EINVAL;
        o->resource.any_instance = strcmp(optarg, "any") == 0;
        return 0;
    case OPT_ROLLBACK:
        return cvm_broker_rollback_from_string(optarg, &o->resource.rollback);
    case OPT_DISK_MARK:
        return cvm_broker_mark_from_string(optarg, &o->resource.mark);
    case OPT_THREADS:
        if (parse_number(optarg, 1, 256, &n) < 0)
            return -EINVAL;
        o->server.threads = (unsigned)n;
        return 0;
    case OPT_MIN_SVN:
        o->has_min_svn = true;
        return parse_number(optarg, 0, UINT32_MAX, &o->min_svn);
    case OPT_HOST:
    case OPT_DIGEST:
        list = c == OPT_DIGEST;
        if (o->nr_listed[list] == ELEMENTSOF(o->listed[0]))
            return -EINVAL;
        o->listed[list][o->nr_listed[list]++] = optarg;
        return 0;
    }
    return -EINVAL;
}

/* A thread waits while the log goes to the disk and while Vault answers; those that wait at once share the way to the disk. */
static unsigned default_threads(void) {
    long n = 4 * sysconf(_SC_NPROCESSORS_ONLN);

    return n < 4 ? 4 : n > 256 ? 256 : (unsigned)n;
}

/* 0, or an exit status. */
static int parse_options(int argc, char **argv, struct broker_options *o) {
    int c;

    *o = (struct broker_options){
        .server = {.listen = "127.0.0.1:8443", .threads = default_threads()},
        .resource.lease = CVM_BROKER_LEASE,
    };
    while ((c = verb_getopt(argc, argv)) >= 0)
        if (take_option(o, c) < 0)
            return usage_error(argv[0], "bad value '%s'", optarg);
    return 0;
}

/* --- init ------------------------------------------------------------------------------- */

static int write_pem(const char *directory, const char *name, EVP_PKEY *key, X509 *certificate, struct cvm_error *e) {
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
    char path[PATH_MAX], *text;
    long n;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (!bio || (certificate ? PEM_write_bio_X509(bio, certificate)
                             : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) != 1)
        return cvm_error_set(e, -EIO, "libcrypto cannot write '%s'", path);
    n = BIO_get_mem_data(bio, &text);
    return certificate ? cvm_write_file(path, text, (size_t)n, e)
                       : cvm_write_secret_file(path, text, (size_t)n, e);
}

static int add_extension(X509 *x, int nid, const char *value) {
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    int good = ext && X509_add_ext(x, ext, -1) == 1;

    X509_EXTENSION_free(ext);
    return good ? 0 : -EIO;
}

/* Signed by itself: clients are given this very certificate. */
static X509 *make_certificate(EVP_PKEY *key, const char *name) {
    X509 *x = X509_new();
    X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;
    unsigned char ip[16];
    char alternative[300];
    uint8_t serial[16];
    BIGNUM *bn = NULL;

    snprintf(alternative, sizeof(alternative), "%s:%.256s", inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1 ? "IP" : "DNS", name);
    if (RAND_bytes(serial, sizeof(serial)) == 1) {
        serial[0] &= 0x7f;
        bn = BN_bin2bn(serial, sizeof(serial), NULL);
    }
    if (!subject || !bn || !BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) || X509_set_version(x, 2) != 1 ||
        !X509_gmtime_adj(X509_getm_notBefore(x), -3600) ||
        !X509_time_adj_ex(X509_getm_notAfter(x), CERTIFICATE_DAYS, 0, NULL) || X509_set_pubkey(x, key) != 1 ||
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) != 1 ||
        X509_set_issuer_name(x, subject) != 1 || add_extension(x, NID_subject_alt_name, alternative) < 0 ||
        add_extension(x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") < 0 ||
        X509_sign(x, key, EVP_sha256()) == 0) {
        X509_free(x);
        x = NULL;
    }
    BN_free(bn);
    return x;
}

static int make_keys(const char *directory, const char *name, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *sign = EVP_EC_gen("P-256"), *tls = EVP_EC_gen("P-256");
    _cleanup_(X509_freep) X509 *x = tls ? make_certificate(tls, name) : NULL;
    int r;

    if (!sign || !x)
        return cvm_error_set(e, -EIO, "libcrypto cannot make keys and a certificate for '%s'", name);
    r = write_pem(directory, "sign.key", sign, NULL, e);
    if (r == 0)
        r = write_pem(directory, "tls.key", tls, NULL, e);
    return r < 0 ? r : write_pem(directory, "tls.crt", NULL, x, e);
}

/* A file of the tenant's becomes one of the store. */
static int copy_file(const char *from, const char *directory, const char *name, struct cvm_error *e) {
    _cleanup_free_ void *buf = NULL;
    char path[PATH_MAX];
    size_t size = 0;
    int r;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    r = cvm_read_file(from, CVM_JSON_MAX, &buf, &size, e);
    return r < 0 ? r : cvm_write_file(path, buf, size, e);
}

static int fill_store(const char *directory, const struct broker_options *o, struct cvm_error *e) {
    char path[PATH_MAX];
    int r;

    r = make_keys(directory, o->name ?: "localhost", e);
    if (r == 0)
        r = copy_file(o->policy, directory, "policy.json", e);
    if (r < 0 || !o->enrolment_key)
        return r;
    snprintf(path, sizeof(path), "%s/enrolments", directory);
    if (mkdir(path, 0700) < 0)
        return cvm_error_set(e, -errno, "cannot make '%s': %s", path, strerror(errno));
    return copy_file(o->enrolment_key, directory, "enrolment.pub", e);
}

static int verb_init(int argc, char **argv) {
    _cleanup_free_ struct cvm_policy *p = malloc(sizeof(*p));
    struct broker_options o;
    struct cvm_error e = {""};
    int r;

    r = parse_options(argc, argv, &o);
    if (r != 0)
        return r;
    if (!o.policy)
        return usage_error(argv[0], "--policy is missing");
    if (!p)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    r = cvm_policy_load(o.policy, NULL, p, &e);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    if (mkdir(argv[optind], 0700) < 0)
        return fail(argv[0], EXIT_FAILED, "cannot make '%s': %s", argv[optind], strerror(errno));
    r = fill_store(argv[optind], &o, &e);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    return done(members("directory", argv[optind], NULL), "Broker made in %s. Clients need its certificate: %s/tls.crt\n",
                argv[optind], argv[optind]);
}

/* --- the others ------------------------------------------------------------------------- */

/* Is there a credential of that name? @path: PATH_MAX bytes. */
static bool credential_path(const char *credential, char *path) {
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");

    if (!credentials)
        return false;
    snprintf(path, PATH_MAX, "%s/%s", credentials, credential);
    return access(path, F_OK) == 0;
}

/* A file that was named, or a credential that systemd decrypted for this service. 1: read; 0: there is none. */
static int load_secret(const char *path, const char *credential, size_t max, void **ret, size_t *size, struct cvm_error *e) {
    char name[PATH_MAX];
    int r;

    if (!path && !credential_path(credential, name))
        return 0;
    r = cvm_read_file(path ?: name, max, ret, size, e);
    return r < 0 ? r : 1;
}

static int load_wrap_key(const char *path, uint8_t key[CVM_BROKER_WRAP_KEY], struct cvm_error *e) {
    _cleanup_free_ void *buf = NULL;
    size_t size = 0;
    int r = load_secret(path, WRAP_CREDENTIAL, CVM_BROKER_WRAP_KEY, &buf, &size, e);

    if (r <= 0)
        return r;
    if (size != CVM_BROKER_WRAP_KEY)
        return cvm_error_set(e, -EINVAL, "'%s' has %zu bytes, a wrapping key has %d", path ?: WRAP_CREDENTIAL, size,
                             CVM_BROKER_WRAP_KEY);
    memcpy(key, buf, size);
    OPENSSL_cleanse(buf, size);
    return 1;
}

static int open_token(const struct broker_options *o, struct cvm_broker_token **ret, struct cvm_error *e) {
    _cleanup_free_ void *pin = NULL;
    size_t size = 0;
    int r = load_secret(o->pin_file, PIN_CREDENTIAL, 255, &pin, &size, e);

    if (r < 0)
        return r;
    while (size && ((char *)pin)[size - 1] == '\n')
        ((char *)pin)[--size] = 0;
    r = broker_token_open(o->token, pin, ret, e);
    if (pin)
        OPENSSL_cleanse(pin, size);
    return r;
}

static int open_vault(const struct broker_options *o, struct cvm_broker_token **ret, struct cvm_error *e) {
    struct broker_vault_options v = o->vault;
    char path[PATH_MAX];

    if (!v.token_file && !credential_path(VAULT_CREDENTIAL, path))
        return cvm_error_set(e, -EACCES, "no token for Vault: --vault-token-file, or the credential " VAULT_CREDENTIAL);
    v.token_file = v.token_file ?: path;
    return broker_vault_open(&v, ret, e);
}

static void close_store(struct cvm_broker_store *s) {
    if (s->token)
        s->token->close(s->token);
    cvm_broker_store_close(s);
}

/* 0, or an exit status. */
static int check_wrapping(const char *verb, const struct broker_options *o) {
    if (!!o->token + !!o->wrap_key + !!o->vault.url > 1)
        return usage_error(verb, "--token, --vault and --wrap-key exclude each other");
    if (o->pin_file && !o->token)
        return usage_error(verb, "--pin-file is for --token");
    if (!o->vault.url && (o->vault.ca || o->vault.token_file || o->vault.timeout))
        return usage_error(verb, "--vault-ca, --vault-token-file and --vault-timeout are for --vault");
    return 0;
}

static int open_store(const char *verb, const char *directory, const struct broker_options *o,
                      struct cvm_broker_store *ret) {
    uint8_t key[CVM_BROKER_WRAP_KEY];
    struct cvm_error e = {""};
    int r, wrapped;

    r = check_wrapping(verb, o);
    if (r != 0)
        return r;
    r = wrapped = o->token || o->vault.url ? 0 : load_wrap_key(o->wrap_key, key, &e);
    if (r >= 0) {
        r = cvm_broker_store_open(directory, wrapped ? key : NULL, ret, &e);
        OPENSSL_cleanse(key, sizeof(key));
        if (r == 0 && o->token)
            r = open_token(o, &ret->token, &e);
        if (r == 0 && o->vault.url)
            r = open_vault(o, &ret->token, &e);
        if (r < 0)
            close_store(ret);
    }
    return r < 0 ? fail(verb, EXIT_FAILED, "%s", e.text) : 0;
}

static int verb_add(int argc, char **argv) {
    _cleanup_free_ struct broker_options *o = malloc(sizeof(*o));
    _cleanup_free_ struct cvm_broker_store *store = malloc(sizeof(*store));
    _cleanup_free_ void *key = NULL;
    struct cvm_error e = {""};
    size_t size = 0;
    int r;

    if (!o || !store)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    r = parse_options(argc, argv, o);
    if (r != 0)
        return r;
    if (!o->key_file)
        return usage_error(argv[0], "--key-file is missing");
    if (o->resource.mark != CVM_BROKER_MARK_NONE && o->resource.any_instance)
        return usage_error(argv[0], "--disk-mark is for a disk of one machine: not with --instances any");
    if (!cvm_broker_name_ok(argv[optind + 1]))
        return usage_error(argv[0], "a resource is named REPOSITORY/TYPE/TAG, not '%s'", argv[optind + 1]);
    r = open_store(argv[0], argv[optind], o, store);
    if (r != 0)
        return r;
    strcpy(o->resource.name, argv[optind + 1]);
    r = cvm_read_file(o->key_file, CVM_KEY_MAX, &key, &size, &e);
    if (r == 0)
        r = cvm_broker_resource_save(store, &o->resource, o->policy, key, size, &e);
    if (key)
        OPENSSL_cleanse(key, size);
    close_store(store);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    return done(members("resource", argv[optind + 1], NULL), "Key %s added.\n", argv[optind + 1]);
}

static int verb_serve(int argc, char **argv) {
    _cleanup_free_ struct broker_options *o = malloc(sizeof(*o));
    _cleanup_free_ struct cvm_broker_store *store = malloc(sizeof(*store));
    struct cvm_broker *broker = NULL;
    struct cvm_error e = {""};
    int r;

    if (!o || !store)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    r = parse_options(argc, argv, o);
    if (r != 0)
        return r;
    r = open_store(argv[0], argv[optind], o, store);
    if (r != 0)
        return r;
    r = cvm_broker_open(store, &broker);
    if (r == -EBUSY)
        cvm_error_set(&e, r, "another broker serves '%s'", argv[optind]);
    if (r == 0)
        r = broker_serve(broker, store, &o->server, &e);
    cvm_broker_free(broker);
    close_store(store);
    return r < 0 ? fail(argv[0], EXIT_FAILED, "%s", *e.text ? e.text : strerror(-r)) : EXIT_OK;
}

static void add_listed(json_object *o, const char *name, const struct broker_options *opt, unsigned list) {
    json_object *array = NULL;

    if (!json_object_object_get_ex(o, name, &array))
        json_object_object_add(o, name, array = json_object_new_array());
    for (unsigned i = 0; i < opt->nr_listed[list]; i++)
        json_object_array_add(array, json_object_new_string(opt->listed[list][i]));
}

static int verb_revoke(int argc, char **argv) {
    _cleanup_free_ struct broker_options *o = malloc(sizeof(*o));
    _cleanup_json_ json_object *list = NULL;
    uint8_t bytes[2][CVM_DIGEST_SIZE];
    struct cvm_error e = {""};
    char path[PATH_MAX];
    const char *text;
    int r;

    if (!o)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    r = parse_options(argc, argv, o);
    if (r != 0)
        return r;
    if (!o->nr_listed[0] && !o->nr_listed[1] && !o->has_min_svn)
        return usage_error(argv[0], "nothing is named: --host, --digest or --min-svn");
    for (unsigned l = 0; l < 2; l++)
        for (unsigned i = 0; i < o->nr_listed[l]; i++)
            if (cvm_hex_decode(o->listed[l][i], strlen(o->listed[l][i]), bytes[l], l ? CVM_DIGEST_SIZE : 32) < 0)
                return usage_error(argv[0], "'%s' is not %u hexadecimal digits", o->listed[l][i], l ? 96u : 64u);
    snprintf(path, sizeof(path), "%s/revoked.json", argv[optind]);
    list = access(path, F_OK) == 0 ? json_object_from_file(path) : json_object_new_object();
    if (!json_object_is_type(list, json_type_object))
        return fail(argv[0], EXIT_FAILED, "'%s' is no list of what is revoked", path);
    add_listed(list, "hosts", o, 0);
    add_listed(list, "digests", o, 1);
    if (o->has_min_svn)
        json_object_object_add(list, "min_rootvisor_svn", json_object_new_int64((int64_t)o->min_svn));
    text = json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    r = cvm_write_file(path, text, strlen(text), &e);
    if (r < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    return done(json_object_get(list), "Revoked: the broker looks at %s at every request.\n", path);
}

const struct verb broker_verbs[] = {
    {.name = "broker init",
     .arguments = "DIR",
     .summary = "make a key broker's directory",
     .run = verb_init,
     .text = "Makes the broker's signing key, its TLS key and a certificate signed by itself.",
     .options = {init_options},
     .remark = "--policy FILE"},
    {.name = "broker add",
     .arguments = "DIR RESOURCE",
     .summary = "put a key into a broker's store",
     .run = verb_add,
     .text = "RESOURCE is REPOSITORY/TYPE/TAG. Evidence must meet the broker's policy.json; warnings are refusals but\n"
             "for those named with --accept-warning.",
     .options = {add_options, wrap_options},
     .remark = "--key-file FILE"},
    {.name = "broker serve",
     .arguments = "DIR",
     .summary = "run a key broker: TLS 1.3, KBS attestation protocol",
     .run = verb_serve,
     .options = {serve_options, wrap_options}},
    {.name = "broker revoke",
     .arguments = "DIR",
     .summary = "list hosts and versions that get no key any more",
     .run = verb_revoke,
     .options = {revoke_options}},
    {.name = "broker log",
     .arguments = "DIR",
     .summary = "check and show a broker's log of releases and refusals",
     .run = broker_log,
     .options = {broker_log_options},
     .statuses = broker_log_statuses},
    {0},
};
