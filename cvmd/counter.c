/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counter.h"

#include "counter-leaves.h"
#include "files.h"
#include "log.h"
#include "manager.h"
#include "quote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One count under way. The TPM is its alone: no other begins before it ends. */
struct counting {
    struct manager *manager;
    uint32_t vm_id;
    uint8_t identity[CVM_DIGEST_SIZE];
    char *path;
    struct counter_leaves *leaves;
    struct cvm_counter_call call;
    counter_done done;
    void *userdata;
};

static void counting_free(struct counting *c) {
    counter_leaves_free(c->leaves);
    free(c->path);
    free(c);
}

static int ask(struct counting *c, enum cvm_counter_step step) {
    c->call.step = step;
    if (!c->manager->rootvisor)
        return -ENODEV;
    return rootvisor_counter(c->manager->rootvisor, c->vm_id, &c->call);
}

/* Which of the counts begun are in the Quoter's root? The newest state that it takes. */
static int begin(struct counting *c) {
    for (size_t begun = c->leaves->nr_begun + 1; begun-- > 0;) {
        int r = counter_leaves_path(c->leaves, begun, c->identity, &c->call);

        if (r == 0)
            r = ask(c, CVM_COUNTER_BEGIN);
        if (r == 0)
            r = counter_leaves_settle(c->leaves, begun);
        if (r != -ESTALE)
            return r;
    }
    return -ESTALE;
}

static int save(const struct counting *c, struct cvm_error *e) {
    int r = counter_leaves_save(c->leaves, c->path, e);

    if (r == 0)
        r = files_sync_directory(c->manager->config->state_directory);
    return r < 0 && !e->text[0] ? cvm_error_set(e, r, "not durable: %s", strerror(-r)) : r;
}

/* On the disk before the Quoter takes the next root for the true one. */
static int note(struct counting *c) {
    struct cvm_error e = {""};
    int r = counter_leaves_begin(c->leaves, c->identity);

    if (r == 0)
        r = save(c, &e);
    if (e.text[0])
        log_error("rollback counters: %s: %s", c->path, e.text);
    return r;
}

static int start(struct counting *c) {
    struct cvm_error e = {""};
    int r = counter_leaves_load(c->path, &c->leaves, &e);

    if (r < 0) {
        log_error("rollback counters: %s: %s", c->path, e.text);
        return r;
    }
    r = begin(c);
    return r < 0 ? r : note(c);
}

static int settle(struct counting *c) {
    struct cvm_error e = {""};
    int r = counter_leaves_settle(c->leaves, c->leaves->nr_begun);

    /* If this is lost, the next start finds out what was counted. */
    if (r == 0 && save(c, &e) < 0)
        log_warning("rollback counters: %s: %s", c->path, e.text);
    return r;
}

/* Between two talks with the TPM. */
static int step(void *userdata, struct quoter_exchange *x) {
    struct counting *c = userdata;
    int r;

    if (!c->leaves)
        r = start(c);
    else {
        enum cvm_counter_step next = c->call.step == CVM_COUNTER_BEGIN ? CVM_COUNTER_STARTED : CVM_COUNTER_WRITTEN;

        if (x->size > sizeof(c->call.tpm))
            return -EPROTO;
        memset(c->call.tpm, 0, sizeof(c->call.tpm));
        memcpy(c->call.tpm, x->bytes, x->size);
        c->call.tpm_size = (uint32_t)x->size;
        r = ask(c, next);
        if (r >= 0 && next == CVM_COUNTER_WRITTEN)
            return settle(c);
    }
    if (r < 0)
        return r;
    x->size = c->call.tpm_size;
    memcpy(x->bytes, c->call.tpm, x->size);
    return 1;
}

static void finished(void *userdata, int r, const struct cvm_platform *platform, const char *text, const struct cvm_error *e) {
    struct counting *c = userdata;

    (void)platform;
    (void)text;
    if (r == -EEXIST)
        r = 0; /* cvmd was started anew since */
    if (r < 0 && r != -ENXIO)
        log_warning("VM %u is not counted: %s", c->vm_id, e && e->text[0] ? e->text : strerror(-r));
    c->done(c->userdata, r);
    counting_free(c);
}

int counter_count(struct machine *k, counter_done done, void *userdata) {
    struct manager *m = k->manager;
    struct counting *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    *c = (struct counting){.manager = m, .vm_id = k->vm.id, .done = done, .userdata = userdata};
    memcpy(c->identity, k->vm.launch_digest, sizeof(c->identity));
    r = asprintf(&c->path, "%s/counters", m->config->state_directory) < 0 ? -ENOMEM : 0;
    if (r < 0)
        c->path = NULL;
    else
        r = quoter_exchange(m->quoter, step, finished, c);
    if (r < 0)
        counting_free(c);
    return r;
}
