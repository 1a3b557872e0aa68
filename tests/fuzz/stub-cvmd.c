// SPDX-License-Identifier: LGPL-2.1-or-later
// What cvmd stands on, for fuzz-dbus.c: the store, RootVisor, libvirt, the TPM and threads, without any of them. A row
// that is asked for is there, or not, by its name; what is written is taken and forgotten, or refused with stub_error; jobs wait for
// stub_run_jobs(), or find no thread.
#include <errno.h>
#include <string.h>

#include "cvmd/audit-log.h"
#include "cvmd/inbox.h"
#include "cvmd/polkit.h"
#include "cvmd/rootvisor.h"
#include "cvmd/store.h"
#include "cvmd/tpm.h"
#include "cvmd/virt.h"

int stub_error;
bool stub_threads;
void stub_run_jobs(void);

// --- the store ---

int store_put_machine(struct store *s, const struct store_machine *m) { return stub_error; }
int store_delete_machine(struct store *s, const char *name) { return stub_error; }
int store_each_machine(struct store *s, int (*fn)(void *, const struct store_machine *), void *data) { return 0; }
int store_put_operation(struct store *s, const struct store_operation *o) { return stub_error; }
int store_delete_operation(struct store *s, const char *id) { return stub_error; }
int store_each_operation(struct store *s, int (*fn)(void *, const struct store_operation *), void *data) { return 0; }
int store_put_image(struct store *s, const struct store_image *i) { return stub_error; }
int store_delete_image(struct store *s, const char *digest) { return stub_error; }
int store_each_image(struct store *s, int (*fn)(void *, const struct store_image *), void *data) { return 0; }
int store_get_value(struct store *s, const char *key, char **ret) { return -ENOENT; }
int store_set_value(struct store *s, const char *key, const char *value) { return stub_error; }
int store_begin(struct store *s) { return stub_error; }
int store_begin_relaxed(struct store *s) { return stub_error; }
int store_sync(struct store *s) { return stub_error; }
int store_commit(struct store *s) { return stub_error; }
int store_rollback(struct store *s) { return 0; }
bool store_is_settled(const struct store *s) { return true; }
int store_settle_audit(struct store *s) { return 0; }
void store_make_room(struct store *s) {}
void store_close(struct store *s) {}
int store_open(const char *path, struct store **ret, struct cvm_error *e) { return -EIO; }

// Clients: the last digit says which role, so that each is tried.
static const struct store_client *client(const char *id) {
    static struct store_client c = {.name = "somebody"};
    static const char *const roles[] = {"viewer", "operator", "admin", "admin", "no-such-role"};
    char last = id[0] ? id[strlen(id) - 1] : 'x';

    if (last < '0' || last > '9')
        return NULL;
    c.id = id;
    c.role = roles[(last - '0') % 5];
    c.pattern = last % 2 ? "*" : "a*";
    c.expires = last == '9' ? 1 : 0;
    return &c;
}

int store_get_client(struct store *s, const char *id, int (*fn)(void *, const struct store_client *), void *data) {
    const struct store_client *c = client(id);

    return c ? (fn(data, c), 1) : 0;
}

int store_each_client(struct store *s, int (*fn)(void *, const struct store_client *), void *data) {
    fn(data, client("uid:3"));
    return 1;
}

int store_get_token(struct store *s, const char *id, int (*fn)(void *, const struct store_client *), void *data) {
    struct store_client c = {.id = id, .name = "new", .role = "operator", .pattern = "*", .expires = id[0] & 1 ? 1 : UINT64_MAX / 2};

    return id[0] & 2 ? 0 : (fn(data, &c), 1);
}

int store_get_key(struct store *s, const char *id, const char *key, int (*fn)(void *, const struct store_key *), void *data) {
    struct store_key k = {.client = id, .key = key, .digest = "digest", .kind = "launch", .operation = key};
    int r = strlen(key) % 2 ? fn(data, &k) : 0;

    return strlen(key) % 2 ? (r ? r : 1) : 0;
}

int store_put_client(struct store *s, const struct store_client *c) { return stub_error; }
int store_delete_client(struct store *s, const char *id) { return client(id) != NULL; }
int store_put_token(struct store *s, const struct store_client *c) { return stub_error; }
int store_delete_token(struct store *s, const char *id) { return 1; }
int store_expire_tokens(struct store *s, uint64_t before) { return 0; }
int store_put_key(struct store *s, const struct store_key *k) { return stub_error; }
int store_expire_keys(struct store *s, uint64_t before) { return 0; }

// --- the audit log: three entries ---

#define ENTRIES 3u

struct audit_log *store_audit_log(struct store *s) { return NULL; }
int store_append_audit(struct store *s, const struct store_audit *a) { return stub_error ? stub_error : strlen(a->event) && strlen(a->message) ? 1 : -EINVAL; }
int store_append_audits(struct store *s, const struct store_audit *a, size_t n) { return (int)n; }
int store_last_seq(struct store *s, const char *boot_id, uint64_t *ret) { return *ret = 0, 0; }
int store_last_audit(struct store *s, uint64_t *ret) { return *ret = ENTRIES, 0; }

int store_each_audit(struct store *s, uint64_t after, const char *machine, uint32_t limit,
                     int (*fn)(void *, const struct store_audit *), void *data) {
    int r = 0;

    for (uint64_t i = after + 1; r == 0 && after < ENTRIES && i <= ENTRIES && (!limit || i <= after + limit); i++)
        r = fn(data, &(struct store_audit){.id = i, .time = 1, .source = "cvmd", .machine = machine, .event = "start",
                                           .message = "start", .reason = (uint32_t)i});
    return r;
}

uint64_t audit_log_root(struct audit_log *l, uint8_t root[CVM_HASH_SIZE]) { return memset(root, 0, CVM_HASH_SIZE), ENTRIES; }

int audit_log_checkpoint(struct audit_log *l, char **ret, uint64_t *size) {
    *ret = strdup("checkpoint");
    if (size)
        *size = ENTRIES;
    return 0;
}

const struct cvm_note_key *audit_log_key(const struct audit_log *l) {
    static struct cvm_note_key k;
    static const uint8_t point[32];

    return cvm_note_key_make("host/cvmd", point, &k) < 0 ? NULL : &k;
}

const char *audit_log_path(const struct audit_log *l) { return "/nonexistent"; }

int audit_log_prove_inclusion(struct audit_log *l, uint64_t index, uint64_t size, uint8_t proof[][CVM_HASH_SIZE]) {
    return index >= size || size > ENTRIES ? -EINVAL : 0;
}

int audit_log_prove_consistency(struct audit_log *l, uint64_t old, uint64_t size, uint8_t proof[][CVM_HASH_SIZE]) {
    return old > size || size > ENTRIES ? -EINVAL : 0;
}

int audit_log_entry(struct audit_log *l, uint64_t index, char **ret) {
    return index < ENTRIES ? (*ret = strdup("{}"), 0) : -ENOENT;
}

int audit_log_export(const char *path, uint64_t from, uint64_t to, const char *note, uint64_t size, int fd) { return 0; }

// --- below ---

int inbox_new(sd_event *event, struct inbox **ret) { return -EIO; }
void inbox_free(struct inbox *b) {}
int inbox_post(struct inbox *b, void (*fn)(void *), void *data) { return -ENOMEM; }
static struct {
    int (*work)(void *data);
    void (*done)(void *data, int r);
    void *data;
} jobs[16];
static unsigned nr_jobs;

int inbox_run(struct inbox *b, int (*work)(void *), void (*done)(void *, int), void *data) {
    if (!stub_threads || nr_jobs == sizeof(jobs) / sizeof(jobs[0]))
        return -EAGAIN;
    jobs[nr_jobs].work = work;
    jobs[nr_jobs].done = done;
    jobs[nr_jobs++].data = data;
    return 0;
}

void stub_run_jobs(void) {
    for (unsigned i = 0; i < nr_jobs; i++) // one that is done may begin another
        jobs[i].done(jobs[i].data, jobs[i].work(jobs[i].data));
    nr_jobs = 0;
}

unsigned inbox_jobs(struct inbox *b) { return 0; }

int virt_new(const char *uri, struct inbox *b, virt_event_fn fn, void *data, struct virt **ret) { return -EIO; }
void virt_free(struct virt *v) {}
int virt_start(struct virt *v, const char *xml, char **console, struct cvm_error *e) { return -EIO; }
int virt_shutdown(struct virt *v, const char *uuid, struct cvm_error *e) { return -EIO; }
int virt_destroy(struct virt *v, const char *uuid, struct cvm_error *e) { return -EIO; }
int virt_suspend(struct virt *v, const char *uuid, struct cvm_error *e) { return -EIO; }
int virt_resume(struct virt *v, const char *uuid, struct cvm_error *e) { return -EIO; }
int virt_set_limits(struct virt *v, const char *uuid, const struct virt_limits *l, struct cvm_error *e) { return -EIO; }
int virt_state(struct virt *v, const char *uuid, char **console, struct cvm_error *e) { return -EIO; }
int virt_xml(struct virt *v, const char *uuid, char **ret, struct cvm_error *e) { return -EIO; }

int polkit_authorize(sd_bus_message *call, struct manager *m, const char *action, const char *machine, sd_bus_message_handler_t handler,
                     void *userdata, char **who, sd_bus_error *error) {
    *who = strdup("fuzzer");
    return 1;
}

void polkit_free(struct manager *m) {}

int tpm_open(const char *tcti, struct tpm **ret, struct cvm_error *e) { return -EIO; }
void tpm_close(struct tpm *t) {}
int tpm_endorsement(struct tpm *t, struct cvm_endorsement *ret, struct cvm_error *e) { return -EIO; }
int tpm_activate(struct tpm *t, const struct cvm_credential *c, uint8_t *secret, struct cvm_error *e) { return -EIO; }
int tpm_quote(struct tpm *t, const uint8_t *qualify, struct cvm_platform *ret, struct cvm_error *e) { return -EIO; }
int tpm_read_log(const char *path, struct cvm_platform *ret, struct cvm_error *e) { return -EIO; }
int tpm_line_open(const char *tcti, struct tpm_line **ret, struct cvm_error *e) { return -EIO; }
void tpm_line_close(struct tpm_line *l) {}
int tpm_line_exchange(struct tpm_line *l, uint8_t *buf, size_t *size, size_t max, struct cvm_error *e) { return -EIO; }

int rootvisor_open(struct rootvisor **ret, struct cvm_error *e) { return -ENODEV; }
void rootvisor_close(struct rootvisor *rv) {}
int rootvisor_host_info(struct rootvisor *rv, struct cvm_host_info *ret) { return *ret = (struct cvm_host_info){.features = CVM_F_TPM}, 0; }
int rootvisor_host_stats(struct rootvisor *rv, struct cvm_stats *ret) { return *ret = (struct cvm_stats){0}, 0; }
int rootvisor_vm_stats(struct rootvisor *rv, uint32_t id, struct cvm_stats *ret) { return *ret = (struct cvm_stats){0}, 0; }
int rootvisor_vm_destroy(struct rootvisor *rv, uint32_t id) { return 0; }
int rootvisor_events(struct rootvisor *rv, uint64_t first, struct cvm_event_page *ret) { return ret->count = 0, 0; }
int rootvisor_log_head(struct rootvisor *rv, uint64_t n, const uint8_t user_data[64], struct cvm_log_head *ret) { return -EIO; }
int rootvisor_counter(struct rootvisor *rv, uint32_t id, struct cvm_counter_call *call) { return -ENODEV; }
int rootvisor_report_key(struct rootvisor *rv, struct cvm_report_key *ret) { return *ret = (struct cvm_report_key){0}, 0; }

// The machine of these bytes has a VM.
int rootvisor_vm_list(struct rootvisor *rv, struct cvm_vm_list *ret) {
    ret->count = 1;
    ret->vm[0] = (struct cvm_vm_info){.id = 1, .state = CVM_VM_RUNNING};
    memset(ret->vm[0].uuid, 0xa1, sizeof(ret->vm[0].uuid));
    return 0;
}

int rootvisor_vm_report(struct rootvisor *rv, uint32_t id, const uint8_t user_data[64], struct cvm_report *ret) {
    *ret = (struct cvm_report){0};
    memcpy(ret->user_data, user_data, sizeof(ret->user_data));
    return 0;
}

int rootvisor_key_put(struct rootvisor *rv, uint32_t id, const struct cvm_key_blob *blob) {
    return ((const uint8_t *)blob)[0] % 2 ? -EBADMSG : 0;
}
