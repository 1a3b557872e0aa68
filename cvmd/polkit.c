/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "polkit.h"

#include "bus.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

#define ALLOW_USER_INTERACTION 1u
/* polkitd that asks nobody answers at once. */
#define SILENT_TIMEOUT_USEC (25u * 1000000u)

struct authorization {
    struct authorization *next;
    struct manager *manager;
    sd_bus_message *call;
    sd_bus_slot *slot;
    sd_bus_message_handler_t handler;
    void *userdata;
    const char *action;
    char *machine, *who;
    unsigned number; /* names the question to polkit */
    bool answered, allowed;
    sd_bus_error error; /* why not */
};

static void authorization_free(struct authorization *a) {
    if (!a)
        return;
    sd_bus_slot_unref(a->slot);
    sd_bus_message_unref(a->call);
    sd_bus_error_free(&a->error);
    free(a->machine);
    free(a->who);
    free(a);
}
CVM_DEFINE_CLEANUP(struct authorization *, authorization_free)

static void drop(struct authorization *a) {
    for (struct authorization **p = &a->manager->authorizations; *p; p = &(*p)->next)
        if (*p == a) {
            *p = a->next;
            break;
        }
    authorization_free(a);
}

void polkit_free(struct manager *m) {
    while (m->authorizations)
        drop(m->authorizations);
}

static int deny(struct manager *m, sd_bus_message *call, const char *machine, const char *who,
                const sd_bus_error *why, sd_bus_error *error) {
    audit(m, machine ? manager_find(m, machine) : NULL, "denied", who, "%s%s%.64s denied: %s",
          sd_bus_message_get_member(call), machine ? " of " : "", machine ?: "", why->message);
    return sd_bus_error_copy(error, why);
}

static void cancel_question(struct authorization *a) {
    _cleanup_message_ sd_bus_message *m = NULL;
    char id[32];
    int r;

    snprintf(id, sizeof(id), "cvmd-%u", a->number);
    r = sd_bus_message_new_method_call(a->manager->bus, &m, "org.freedesktop.PolicyKit1",
                                       "/org/freedesktop/PolicyKit1/Authority",
                                       "org.freedesktop.PolicyKit1.Authority", "CancelCheckAuthorization");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", id);
    if (r >= 0)
        r = sd_bus_message_set_expect_reply(m, false);
    if (r >= 0)
        (void)sd_bus_send(NULL, m, NULL);
}

static void read_answer(struct authorization *a, sd_bus_message *reply) {
    const sd_bus_error *e = sd_bus_message_get_error(reply);
    int allowed = 0, challenge = 0, r;

    if (e) {
        bool late =
            sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) || sd_bus_error_has_name(e, SD_BUS_ERROR_TIMEOUT);

        if (late)
            cancel_question(a);
        sd_bus_error_setf(&a->error, BUS_ERROR_DENIED, "only root may do this: polkit %s (%s)",
                          late ? "did not answer in time" : "cannot be asked", e->message ?: e->name);
        return;
    }
    r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
    if (r >= 0)
        r = sd_bus_message_read(reply, "bb", &allowed, &challenge);
    if (r < 0)
        sd_bus_error_setf(&a->error, BUS_ERROR_DENIED, "polkit's answer is not understood: %s", strerror(-r));
    else if (allowed)
        a->allowed = true;
    else if (challenge)
        sd_bus_error_setf(&a->error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                          "this needs authentication (%s): be root, or let polkit ask", a->action);
    else
        sd_bus_error_setf(&a->error, BUS_ERROR_DENIED, "polkit does not allow this (%s): be root", a->action);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *unused) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct authorization *a = userdata;
    int r;

    (void)unused;
    read_answer(a, reply);
    a->answered = true;
    r = sd_bus_message_rewind(a->call, true);
    if (r >= 0)
        r = a->handler(a->call, a->userdata, &error);
    if (r < 0 || sd_bus_error_is_set(&error))
        r = sd_bus_error_is_set(&error) ? sd_bus_reply_method_error(a->call, &error)
                                        : sd_bus_reply_method_errno(a->call, r, NULL);
    if (r < 0)
        log_warning("An answer cannot be sent: %s", strerror(-r));
    drop(a);
    return 1;
}

static int ask(struct authorization *a) {
    _cleanup_message_ sd_bus_message *m = NULL;
    bool interactive = sd_bus_message_get_allow_interactive_authorization(a->call) > 0;
    char id[32];
    int r;

    snprintf(id, sizeof(id), "cvmd-%u", a->number);
    r = sd_bus_message_new_method_call(a->manager->bus, &m, "org.freedesktop.PolicyKit1",
                                       "/org/freedesktop/PolicyKit1/Authority",
                                       "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
    if (r >= 0)
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(a->call), a->action);
    if (r >= 0)
        r = sd_bus_message_append(m, "a{ss}", 2, "machine", a->machine ?: "", "method",
                                  sd_bus_message_get_member(a->call));
    if (r >= 0)
        r = sd_bus_message_append(m, "us", interactive ? ALLOW_USER_INTERACTION : 0, id);
    return r < 0 ? r
                 : sd_bus_call_async(a->manager->bus, &a->slot, m, on_answer, a,
                                     interactive ? a->manager->config->authorization_timeout * 1000000ull
                                                 : SILENT_TIMEOUT_USEC);
}

/* Who asks, in words for the audit log. */
static int describe(sd_bus_message *call, uid_t *uid, char **who) {
    _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
    const char *comm = NULL;
    pid_t pid = 0;
    int r;

    r = sd_bus_query_sender_creds(
        call, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID | SD_BUS_CREDS_COMM | SD_BUS_CREDS_AUGMENT, &creds);
    if (r >= 0)
        r = sd_bus_creds_get_euid(creds, uid);
    if (r < 0)
        return r;
    (void)sd_bus_creds_get_pid(creds, &pid);
    (void)sd_bus_creds_get_comm(creds, &comm);
    if (asprintf(who, "uid %u, pid %d (%s)", *uid, (int)pid, comm ?: "?") < 0)
        return -ENOMEM;
    cvm_defang(*who);
    return 0;
}

int polkit_authorize(sd_bus_message *call, struct manager *m, const char *action, const char *machine,
                     sd_bus_message_handler_t handler, void *userdata, char **who, sd_bus_error *error) {
    _cleanup_(authorization_freep) struct authorization *a = NULL;
    static unsigned questions;
    uid_t uid;
    int r;

    for (struct authorization *k = m->authorizations; k; k = k->next)
        if (k->call == call && k->answered) {
            if (!k->allowed)
                return deny(m, call, k->machine, k->who, &k->error, error);
            *who = TAKE_PTR(k->who);
            return 1;
        }

    a = calloc(1, sizeof(*a));
    if (!a || free_and_strdup(&a->machine, machine) < 0)
        return -ENOMEM;
    r = describe(call, &uid, &a->who);
    if (r < 0)
        return sd_bus_error_setf(error, BUS_ERROR_DENIED, "the bus does not tell who asks: %s", strerror(-r));
    if (uid == 0) {
        *who = TAKE_PTR(a->who);
        return 1;
    }
    a->manager = m;
    a->call = sd_bus_message_ref(call);
    a->handler = handler;
    a->userdata = userdata;
    a->action = action;
    a->number = ++questions;
    r = ask(a);
    if (r < 0) {
        sd_bus_error_setf(&a->error, BUS_ERROR_DENIED, "only root may do this: polkit cannot be asked (%s)",
                          strerror(-r));
        return deny(m, call, a->machine, a->who, &a->error, error);
    }
    a->next = m->authorizations;
    m->authorizations = TAKE_PTR(a);
    return 0;
}
