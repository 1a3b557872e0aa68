/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evidence and enrolment on the bus: Machine.GetEvidence, Host.GetEndorsement, Host.ActivateCredential. */
#include "bus.h"
#include "counter.h"
#include "manager.h"
#include "polkit.h"
#include "quote.h"

#include <errno.h>
#include <string.h>

/* A call that waits for the TPM. */
struct waiting {
    sd_bus_message *call;
    struct manager *manager;
    char *machine; /* name; evidence only */
    uint8_t nonce[64];
    struct cvm_report report;
    struct cvm_report_key key;
};

static void waiting_free(struct waiting *w) {
    sd_bus_message_unref(w->call);
    free(w->machine);
    free(w);
}

static int too_many(sd_bus_error *error, uint32_t retry_after) {
    return sd_bus_error_setf(error, BUS_ERROR_TOO_MANY_REQUESTS,
                             "the TPM is asked too often; retry after %u s", retry_after);
}

static void send_evidence(struct waiting *w, const struct cvm_platform *platform) {
    _cleanup_free_ char *text = NULL;

    if (cvm_evidence_compose(&w->report, &w->key, platform, &text) < 0)
        sd_bus_reply_method_errorf(w->call, BUS_ERROR_ROOTVISOR,
                                   "RootVisor's report key is no point of P-256");
    else
        sd_bus_reply_method_return(w->call, "s", text);
}

static void on_quote(void *userdata, int r, const struct cvm_platform *platform, const char *text,
                     const struct cvm_error *e) {
    struct waiting *w = userdata;

    (void)text;
    if (r < 0)
        sd_bus_reply_method_errorf(w->call, BUS_ERROR_TPM, "%s", e->text);
    else
        send_evidence(w, platform);
    waiting_free(w);
}

static void on_text(void *userdata, int r, const struct cvm_platform *platform, const char *text,
                    const struct cvm_error *e) {
    struct waiting *w = userdata;

    (void)platform;
    if (r < 0)
        sd_bus_reply_method_errorf(w->call, BUS_ERROR_TPM, "%s", e->text);
    else
        sd_bus_reply_method_return(w->call, "s", text);
    waiting_free(w);
}

static struct waiting *waiting_new(sd_bus_message *call) {
    struct waiting *w = calloc(1, sizeof(*w));

    if (w)
        w->call = sd_bus_message_ref(call);
    return w;
}

/* Report, then quote. 0: the answer is under way, and so is @w's end. */
static int report_and_quote(struct waiting *w, struct machine *k, sd_bus_error *error) {
    struct manager *m = w->manager;
    uint32_t retry = 0;
    int r;

    r = bus_machine_report(k, w->nonce, sizeof(w->nonce), &w->report, error);
    if (r >= 0) {
        r = rootvisor_report_key(m->rootvisor, &w->key);
        if (r < 0)
            r = sd_bus_error_setf(error, BUS_ERROR_ROOTVISOR, "RootVisor gives no report key: %s",
                                  strerror(-r));
    }
    if (r < 0)
        return r;
    /* A TPM that RootVisor did not extend says nothing about it. */
    if (!m->quoter || !(m->info.features & CVM_F_TPM)) {
        send_evidence(w, NULL);
        waiting_free(w);
        return 0;
    }
    r = quoter_quote(m->quoter, w->nonce, on_quote, w, &retry);
    return r == -EAGAIN ? too_many(error, retry) : r;
}

/* Counted or not: the report says it. */
static void on_count(void *userdata, int counted) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    struct waiting *w = userdata;
    struct machine *k = manager_find(w->manager, w->machine);
    int r;

    (void)counted;
    if (k)
        r = report_and_quote(w, k, &error);
    else
        r = sd_bus_error_setf(&error, BUS_ERROR_NOT_RUNNING, "machine '%s' is gone", w->machine);
    if (r < 0) {
        if (!sd_bus_error_is_set(&error))
            sd_bus_error_set_errno(&error, r);
        sd_bus_reply_method_error(w->call, &error);
        waiting_free(w);
    }
    sd_bus_error_free(&error);
}

int bus_send_evidence(struct machine *k, sd_bus_message *call, const void *nonce, size_t size,
                      sd_bus_error *error) {
    struct manager *m = k->manager;
    struct cvm_report report;
    struct waiting *w;
    int r;

    if (size != sizeof(w->nonce))
        return bus_machine_report(k, nonce, size, &report, error); /* says what is wrong */
    (void)manager_look_host(m);
    w = waiting_new(call);
    if (!w)
        return -ENOMEM;
    w->manager = m;
    memcpy(w->nonce, nonce, size);
    w->machine = strdup(k->name);
    if (!w->machine) {
        waiting_free(w);
        return -ENOMEM;
    }
    k->refreshed = 0;
    machine_refresh(k);
    if (m->quoter && m->rootvisor && (m->info.features & CVM_F_TPM) && k->protected && k->vm_present &&
        counter_count(k, on_count, w) == 0)
        return 1;
    r = report_and_quote(w, k, error);
    if (r < 0)
        waiting_free(w);
    return r < 0 ? r : 1;
}

int bus_get_evidence(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const void *nonce;
    size_t size;
    int r;

    r = sd_bus_message_read_array(call, 'y', &nonce, &size);
    return r < 0 ? r : bus_send_evidence(userdata, call, nonce, size, error);
}

static int no_tpm(sd_bus_error *error) {
    return sd_bus_error_set(error, BUS_ERROR_TPM,
                            "this host has no TPM that cvmd may use; see TPM= in cvmd.conf(5)");
}

int bus_get_endorsement(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r = polkit_authorize(call, userdata, POLKIT_HOST, NULL, bus_get_endorsement, userdata, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    return bus_send_endorsement(userdata, call, error);
}

int bus_send_endorsement(struct manager *m, sd_bus_message *call, sd_bus_error *error) {
    struct waiting *w;
    uint32_t retry = 0;
    int r;

    if (!m->quoter)
        return no_tpm(error);
    w = waiting_new(call);
    if (!w)
        return -ENOMEM;
    r = quoter_endorsement(m->quoter, on_text, w, &retry);
    if (r == 0)
        return 1;
    waiting_free(w);
    return r == -EAGAIN ? too_many(error, retry) : r;
}

int bus_activate_credential(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *challenge;
    int r = sd_bus_message_read(call, "s", &challenge);

    if (r >= 0)
        r = polkit_authorize(call, userdata, POLKIT_HOST, NULL, bus_activate_credential, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    return bus_send_activation(userdata, call, challenge, who, error);
}

int bus_send_activation(struct manager *m, sd_bus_message *call, const char *challenge, const char *who, sd_bus_error *error) {
    struct cvm_error e = {""};
    struct waiting *w;
    uint32_t retry = 0;
    int r;

    if (!m->quoter)
        return no_tpm(error);
    w = waiting_new(call);
    if (!w)
        return -ENOMEM;
    r = quoter_activate(m->quoter, challenge, on_text, w, &retry, &e);
    if (r == 0) {
        audit(m, NULL, "tpm-enrolment", who, "a challenge was given to the TPM");
        return 1;
    }
    waiting_free(w);
    if (r == -EINVAL)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "the challenge: %s", e.text);
    return r == -EAGAIN ? too_many(error, retry) : r;
}
