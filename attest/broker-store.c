/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker-log-read.h"
#include "broker-replay.h"
#include "cvm/disk-mark.h"
#include "json.h"
#include "key.h"

#define WRAP_MAGIC "CVMWRAP1"
#define MAGIC_SIZE CVM_BROKER_WRAP_MAGIC_SIZE
#define RESOURCE_FILE_MAX 65536u
#define INSTANCES_MAX (32u << 20) /* a million VMs */

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static int path_of(const struct cvm_broker_store *s, char *path, const char *fmt, const char *name) {
    char tail[512];
    int n;

    snprintf(tail, sizeof(tail), fmt, name);
    n = snprintf(path, PATH_MAX, "%s/%s", s->directory, tail);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Nobody but the owner may read it. */
static int check_mode(const char *path, struct cvm_error *e) {
    struct stat st;

    if (stat(path, &st) < 0)
        return cvm_error_set(e, -errno, "'%s': %s", path, strerror(errno));
    if (st.st_mode & 077)
        return cvm_error_set(e, -EPERM, "'%s' is open to others: its mode must not go beyond %s", path,
                             S_ISDIR(st.st_mode) ? "0700" : "0600");
    return 0;
}

static int open_log(struct cvm_broker_store *s, struct cvm_error *e) {
    char path[PATH_MAX];
    int r;

    r = path_of(s, path, "%s", "log.jws");
    if (r < 0)
        return r;
    s->log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (s->log < 0)
        return cvm_error_set(e, -errno, "'%s': %s", path, strerror(errno));
    r = cvm_broker_log_verify(path, s->point, cvm_broker_replay, s->leases, &s->log_next, s->log_head, e);
    cvm_commit_start(&s->log_commit, s->log_next);
    return r;
}

/* All records, each signed by the tenant. */
static int load_enrolments(struct cvm_broker_store *s, struct cvm_error *e) {
    char path[PATH_MAX], key[PATH_MAX];
    uint8_t point[CVM_POINT_SIZE];
    struct dirent *d;
    DIR *dir;
    int r;

    r = path_of(s, path, "%s", "enrolments");
    if (r == 0)
        r = path_of(s, key, "%s", "enrolment.pub");
    if (r < 0)
        return r;
    dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : cvm_error_set(e, -errno, "'%s': %s", path, strerror(errno));
    s->enrolment = calloc(CVM_BROKER_ENROLMENTS, sizeof(*s->enrolment));
    r = s->enrolment ? cvm_key_load_public(key, point, e) : -ENOMEM;
    while (r == 0 && (d = readdir(dir))) {
        if (d->d_name[0] == '.')
            continue;
        if (s->nr_enrolment == CVM_BROKER_ENROLMENTS)
            r = cvm_error_set(e, -E2BIG, "'%s' holds more than %d records", path, CVM_BROKER_ENROLMENTS);
        if (r == 0)
            r = path_of(s, path, "enrolments/%s", d->d_name);
        if (r == 0)
            r = cvm_enrolment_load(path, point, &s->enrolment[s->nr_enrolment++], e);
    }
    closedir(dir);
    return r;
}

int cvm_broker_store_open(const char *directory, const uint8_t *wrap_key, struct cvm_broker_store *ret,
                          struct cvm_error *e) {
    char path[PATH_MAX];
    int r;

    *ret = (struct cvm_broker_store){.log = -1};
    pthread_mutex_init(&ret->files_lock, NULL);
    pthread_mutex_init(&ret->log_lock, NULL);
    cvm_commit_init(&ret->log_commit);
    ret->directory = strdup(directory);
    ret->leases = cvm_leases_new();
    if (!ret->directory || !ret->leases)
        return -ENOMEM;
    if (wrap_key) {
        ret->wrapped = true;
        memcpy(ret->wrap_key, wrap_key, sizeof(ret->wrap_key));
    }
    r = check_mode(directory, e);
    if (r == 0)
        r = path_of(ret, path, "%s", "sign.key");
    if (r == 0)
        r = check_mode(path, e);
    if (r == 0)
        r = cvm_key_load_private(path, &ret->signing_key, e);
    if (r < 0)
        return r;
    r = cvm_key_to_point(ret->signing_key, ret->point);
    if (r < 0)
        return cvm_error_set(e, r, "'%s' is no P-256 key", path);
    r = path_of(ret, path, "%s", "policy.json");
    if (r == 0)
        r = cvm_policy_load(path, NULL, &ret->policy, e);
    if (r == 0)
        r = load_enrolments(ret, e);
    return r < 0 ? r : open_log(ret, e);
}

void cvm_broker_store_close(struct cvm_broker_store *s) {
    if (s->log >= 0)
        close(s->log);
    EVP_PKEY_free(s->signing_key);
    cvm_leases_free(s->leases);
    free(s->enrolment);
    free(s->directory);
    OPENSSL_cleanse(s->wrap_key, sizeof(s->wrap_key));
    pthread_mutex_destroy(&s->files_lock);
    pthread_mutex_destroy(&s->log_lock);
    cvm_commit_done(&s->log_commit);
}

bool cvm_broker_name_ok(const char *name) {
    unsigned parts = 0;

    for (;; name++) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

        if (n < 1 || n > CVM_BROKER_NAME_MAX || *name == '.')
            return false;
        parts++;
        name += n;
        if (*name != '/')
            return !*name && parts == 3;
    }
}

/* Members that may stand in a resource's file. A misspelt condition must not be a condition less. */
static int known_members(json_object *o, struct cvm_error *e) {
    json_object_object_foreach(o, name, value) {
        (void)value;
        if (strcmp(name, "policy") && strcmp(name, "accept_warnings") && strcmp(name, "lease") &&
            strcmp(name, "instances") && strcmp(name, "rollback") && strcmp(name, "disk_mark"))
            return cvm_error_set(e, -EINVAL, "unknown member '%.40s'", name);
    }
    return 0;
}

static int parse_accepted(json_object *list, struct cvm_broker_resource *r, struct cvm_error *e) {
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) > CVM_BROKER_WARNINGS)
        return cvm_error_set(e, -EINVAL, "accept_warnings is no list of at most %d codes", CVM_BROKER_WARNINGS);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *code = json_object_array_get_idx(list, i);
        const char *s = json_object_get_string(code) ?: "";

        if (!json_object_is_type(code, json_type_string) || !*s || strlen(s) >= sizeof(r->accepted[0]))
            return cvm_error_set(e, -EINVAL, "accept_warnings holds what is no code");
        strcpy(r->accepted[r->nr_accepted++], s);
    }
    return 0;
}

static int parse_resource(const struct cvm_broker_store *s, json_object *o, struct cvm_broker_resource *r,
                          struct cvm_error *e) {
    char path[PATH_MAX];
    const char *policy = NULL;
    json_object *member;
    uint64_t lease = CVM_BROKER_LEASE;
    int err;

    err = known_members(o, e);
    if (err == 0 && json_object_object_get_ex(o, "lease", &member))
        err = cvm_json_uint(o, "lease", 86400 * 30, &lease, e);
    if (err == 0 && json_object_object_get_ex(o, "accept_warnings", &member))
        err = parse_accepted(member, r, e);
    if (err == 0 && json_object_object_get_ex(o, "instances", &member)) {
        const char *which = NULL;

        err = cvm_json_string(o, "instances", &which, e);
        if (err == 0 && strcmp(which, "any") && strcmp(which, "newest"))
            err = cvm_error_set(e, -EINVAL, "instances is neither 'newest' nor 'any'");
        r->any_instance = err == 0 && strcmp(which, "any") == 0;
    }
    if (err == 0 && json_object_object_get_ex(o, "rollback", &member)) {
        const char *rule = NULL;

        err = cvm_json_string(o, "rollback", &rule, e);
        if (err == 0 && cvm_broker_rollback_from_string(rule, &r->rollback) < 0)
            err = cvm_error_set(e, -EINVAL, "rollback is neither 'refuse', 'require' nor 'allow'");
    }
    if (err == 0 && json_object_object_get_ex(o, "disk_mark", &member)) {
        const char *rule = NULL;

        err = cvm_json_string(o, "disk_mark", &rule, e);
        if (err == 0 && cvm_broker_mark_from_string(rule, &r->mark) < 0)
            err = cvm_error_set(e, -EINVAL, "disk_mark is neither 'none', 'refuse' nor 'allow'");
        if (err == 0 && r->mark != CVM_BROKER_MARK_NONE && r->any_instance)
            err = cvm_error_set(e, -EINVAL, "disk_mark does not go with instances 'any'");
    }
    if (err == 0 && json_object_object_get_ex(o, "policy", &member)) {
        err = cvm_json_string(o, "policy", &policy, e);
        if (err == 0 && (!*policy || *policy == '.' || strchr(policy, '/')))
            err = cvm_error_set(e, -EINVAL, "policy is no name of a file in the store");
        if (err == 0)
            err = path_of(s, path, "%s", policy);
        if (err == 0)
            err = cvm_policy_load(path, NULL, &r->policy, e);
        r->has_policy = true;
    }
    r->lease = (unsigned)lease;
    return err;
}

int cvm_broker_resource_load(const struct cvm_broker_store *s, const char *name, struct cvm_broker_resource *ret,
                             struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    _cleanup_cvm_free_ void *buf = NULL;
    struct cvm_error why = {""};
    char path[PATH_MAX];
    size_t size = 0;
    int r;

    memset(ret, 0, sizeof(*ret));
    if (!cvm_broker_name_ok(name))
        return cvm_error_set(e, -EINVAL, "a resource is named REPOSITORY/TYPE/TAG");
    strcpy(ret->name, name);
    r = path_of(s, path, "resources/%s.json", name);
    if (r == 0)
        r = cvm_read_file(path, RESOURCE_FILE_MAX, &buf, &size, e);
    if (r < 0)
        return r;
    r = cvm_json_parse(buf, size, &o, &why);
    if (r == 0)
        r = parse_resource(s, o, ret, &why);
    return r < 0 ? cvm_error_set(e, r == -ENOENT ? -EINVAL : r, "'%s': %.250s", path, why.text) : 0;
}

/* Whoever wraps this store's keys. @out: CVM_BROKER_WRAPPED_MAX bytes. */
static int crypt_key(const struct cvm_broker_store *s, bool wrap, const char *name, const uint8_t *in, size_t size, uint8_t *out,
                     size_t *ret, struct cvm_error *e) {
    return s->token ? s->token->crypt(s->token, wrap, name, in, size, out, ret, e)
                    : cvm_broker_gcm(s->wrap_key, wrap, name, in, size, out, ret);
}

/* What wraps this store's keys: the first bytes of their files, and its name. */
static const char *magic(const struct cvm_broker_store *s) {
    return s->token ? s->token->magic : WRAP_MAGIC;
}

static const char *title(const struct cvm_broker_store *s) {
    return s->token ? s->token->title : "wrapping key";
}

/* With the magic of any of them. */
static bool is_wrapped(const uint8_t *buf, size_t n) {
    static const char *const all[] = {WRAP_MAGIC, CVM_BROKER_PKCS11_MAGIC, CVM_BROKER_VAULT_MAGIC};

    for (unsigned i = 0; i < ELEMENTSOF(all); i++)
        if (n >= MAGIC_SIZE && memcmp(buf, all[i], MAGIC_SIZE) == 0)
            return true;
    return false;
}

int cvm_broker_key_load(const struct cvm_broker_store *s, const char *name, uint8_t *key, size_t *size,
                        struct cvm_error *e) {
    _cleanup_cvm_free_ uint8_t *buf = NULL;
    uint8_t out[CVM_BROKER_WRAPPED_MAX];
    struct cvm_error why = {""};
    char path[PATH_MAX];
    size_t n = 0;
    int r;

    r = path_of(s, path, "resources/%s.key", name);
    if (r == 0)
        r = check_mode(path, e);
    if (r == 0)
        r = cvm_read_file(path, MAGIC_SIZE + CVM_BROKER_WRAPPED_MAX, (void **)&buf, &n, e);
    if (r < 0)
        return r;
    if (!s->wrapped && !s->token && is_wrapped(buf, n)) {
        r = cvm_error_set(e, -EBADMSG, "'%s' is wrapped, and what wraps it was not given", path);
    } else if (!s->wrapped && !s->token) {
        if (n < 1 || n > CVM_KEY_MAX)
            r = cvm_error_set(e, -EINVAL, "'%s' has %zu bytes, a key has 1 to %u", path, n, CVM_KEY_MAX);
        else
            memcpy(key, buf, *size = n);
    } else if (n <= MAGIC_SIZE || memcmp(buf, magic(s), MAGIC_SIZE)) {
        r = cvm_error_set(e, -EBADMSG, "'%s' is not wrapped with a %s, but the store has one", path, title(s));
    } else {
        r = crypt_key(s, false, name, buf + MAGIC_SIZE, n - MAGIC_SIZE, out, size, &why);
        if (r == 0 && (*size < 1 || *size > CVM_KEY_MAX))
            r = -EBADMSG;
        if (r == 0)
            memcpy(key, out, *size);
        else
            cvm_error_set(e, r, "'%s' %s%s%.200s", path,
                          r == -EBADMSG ? "is not wrapped with this store's key for this resource" : "cannot be unwrapped",
                          *why.text ? ": " : "", why.text);
    }
    OPENSSL_cleanse(out, sizeof(out));
    OPENSSL_cleanse(buf, n);
    return r;
}

/* The folders above a resource's files. */
static int make_directories(const struct cvm_broker_store *s, const char *name) {
    char path[PATH_MAX];
    int r;

    r = path_of(s, path, "resources/%s", name);
    if (r < 0)
        return r;
    for (char *p = path + strlen(s->directory) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

int cvm_broker_resource_save(const struct cvm_broker_store *s, const struct cvm_broker_resource *r,
                             const char *policy_path, const void *key, size_t size, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    uint8_t out[MAGIC_SIZE + CVM_BROKER_WRAPPED_MAX];
    struct cvm_error why = {""};
    json_object *list;
    char path[PATH_MAX];
    int err;

    if (!cvm_broker_name_ok(r->name))
        return cvm_error_set(e, -EINVAL, "a resource is named REPOSITORY/TYPE/TAG");
    if (size < 1 || size > CVM_KEY_MAX)
        return cvm_error_set(e, -EMSGSIZE, "a key has 1 to %u bytes, not %zu", CVM_KEY_MAX, size);
    if (r->mark != CVM_BROKER_MARK_NONE && size > CVM_DISK_MARK_KEY_MAX)
        return cvm_error_set(e, -EMSGSIZE, "a key with a disk mark has 1 to %u bytes, not %zu", CVM_DISK_MARK_KEY_MAX, size);
    if (!o)
        return -ENOMEM;
    if (policy_path)
        json_object_object_add(o, "policy", json_object_new_string(policy_path));
    json_object_object_add(o, "accept_warnings", list = json_object_new_array());
    for (unsigned i = 0; i < r->nr_accepted; i++)
        json_object_array_add(list, json_object_new_string(r->accepted[i]));
    json_object_object_add(o, "lease", json_object_new_int64(r->lease));
    json_object_object_add(o, "instances", json_object_new_string(r->any_instance ? "any" : "newest"));
    json_object_object_add(o, "rollback", json_object_new_string(cvm_broker_rollback_to_string(r->rollback)));
    if (r->mark != CVM_BROKER_MARK_NONE)
        json_object_object_add(o, "disk_mark", json_object_new_string(cvm_broker_mark_to_string(r->mark)));
    err = make_directories(s, r->name);
    if (err < 0)
        return cvm_error_set(e, err, "cannot make folders in '%s': %s", s->directory, strerror(-err));
    if (s->wrapped || s->token) {
        memcpy(out, magic(s), MAGIC_SIZE);
        err = crypt_key(s, true, r->name, key, size, out + MAGIC_SIZE, &size, &why);
        if (err < 0)
            return cvm_error_set(e, err, "cannot wrap the key%s%.300s", *why.text ? ": " : "", why.text);
        size += MAGIC_SIZE;
    } else
        memcpy(out, key, size);
    err = path_of(s, path, "resources/%s.key", r->name);
    if (err == 0)
        err = cvm_write_secret_file(path, out, size, e);
    if (err == 0)
        err = path_of(s, path, "resources/%s.json", r->name);
    if (err == 0) {
        const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

        err = cvm_write_file(path, text, strlen(text), e);
    }
    OPENSSL_cleanse(out, sizeof(out));
    return err;
}

int cvm_broker_lost(struct cvm_broker_store *s, int r) {
    if (r == -EIO)
        cvm_commit_break(&s->log_commit);
    return r;
}

#define INSTANCE_SIZE 32u

int cvm_broker_instance(struct cvm_broker_store *s, const char *name, const struct cvm_report *report, uint64_t *ret,
                        struct cvm_error *e) {
    _cleanup_cvm_free_ uint8_t *buf = NULL;
    uint8_t id[INSTANCE_SIZE];
    char path[PATH_MAX];
    size_t size = 0, at;
    int fd, r;

    if (EVP_Digest(report->kex_public, sizeof(report->kex_public), id, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    r = path_of(s, path, "resources/%s.instances", name);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->files_lock); /* one at a time */
    r = cvm_read_file(path, INSTANCES_MAX, (void **)&buf, &size, e);
    if (r == -ENOENT)
        r = 0;
    /* A record that a crash cut short let no key out. */
    size -= size % INSTANCE_SIZE;
    for (at = 0; r == 0 && at < size; at += INSTANCE_SIZE)
        if (memcmp(buf + at, id, sizeof(id)) == 0)
            break;
    *ret = at / INSTANCE_SIZE + 1;
    if (r == 0 && at < size) {
        r = at + INSTANCE_SIZE < size;
    } else if (r == 0) {
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || pwrite(fd, id, sizeof(id), (off_t)size) != (ssize_t)sizeof(id))
            r = cvm_error_set(e, -EIO, "'%s': %s", path, strerror(errno));
        else if (fsync(fd) < 0 || (size == 0 && cvm_sync_folder(path, NULL) < 0)) /* its name is new */
            r = cvm_broker_lost(s, cvm_error_set(e, -EIO, "'%s' cannot be brought to the disk: %s", path, strerror(errno)));
        if (fd >= 0)
            close(fd);
    }
    pthread_mutex_unlock(&s->files_lock);
    return r;
}

/* Is one of the hexadecimal strings of a list these bytes? -EINVAL if it is no such list. */
static int listed(json_object *o, const char *name, const uint8_t *value, size_t size) {
    json_object *list;

    if (!json_object_object_get_ex(o, name, &list))
        return 0;
    if (!json_object_is_type(list, json_type_array))
        return -EINVAL;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *s = json_object_get_string(json_object_array_get_idx(list, i)) ?: "";
        uint8_t bytes[CVM_DIGEST_SIZE];

        if (cvm_hex_decode(s, strlen(s), bytes, size) < 0)
            return -EINVAL;
        if (memcmp(bytes, value, size) == 0)
            return 1;
    }
    return 0;
}

int cvm_broker_revoked(const struct cvm_broker_store *s, const struct cvm_report *report, const char **code,
                       struct cvm_error *why) {
    _cleanup_(json_object_putp) json_object *o = NULL, *svn = NULL;
    _cleanup_cvm_free_ void *buf = NULL;
    char path[PATH_MAX];
    uint64_t least = 0;
    size_t size = 0;
    int host, rootvisor, guardian, r;

    r = path_of(s, path, "%s", "revoked.json");
    if (r == 0)
        r = cvm_read_file(path, CVM_JSON_MAX, &buf, &size, NULL);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        cvm_error_set(why, r, "cannot read '%s': %s", path, strerror(-r));
    if (r == 0)
        r = cvm_json_parse(buf, size, &o, why);
    if (r == 0 && json_object_object_get_ex(o, "min_rootvisor_svn", &svn)) {
        json_object_get(svn);
        r = cvm_json_uint(o, "min_rootvisor_svn", UINT32_MAX, &least, why);
    }
    if (r < 0)
        return r;
    host = listed(o, "hosts", report->report_key_id, sizeof(report->report_key_id));
    rootvisor = listed(o, "digests", report->rootvisor_digest, CVM_DIGEST_SIZE);
    guardian = listed(o, "digests", report->guardian_digest, CVM_DIGEST_SIZE);
    if (host < 0 || rootvisor < 0 || guardian < 0)
        return cvm_error_set(why, -EINVAL, "'%s': a list holds what is no digest in hexadecimal", path);
    *code = host                              ? "host.revoked"
            : rootvisor                       ? "rootvisor.revoked"
            : guardian                        ? "guardian.revoked"
            : report->rootvisor_svn < least ? "rootvisor.svn"
                                              : NULL;
    if (*code)
        cvm_error_set(why, 0, "this host or version is on the list of those revoked");
    return *code != NULL;
}
