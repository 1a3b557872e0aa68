/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operation.h"

#include "bus.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define TELL_USEC 100000u
/* However many come, memory and store stay bounded: the oldest that ended go first. */
#define OPERATIONS_MAX 10000u

static const char *const kinds[OPERATION_KIND_MAX] = {
    [OPERATION_LAUNCH] = "launch",
    [OPERATION_DEFINE] = "define",
    [OPERATION_SET] = "set",
    [OPERATION_START] = "start",
    [OPERATION_STOP] = "stop",
    [OPERATION_KILL] = "kill",
    [OPERATION_PAUSE] = "pause",
    [OPERATION_RESUME] = "resume",
    [OPERATION_REBOOT] = "reboot",
    [OPERATION_DELETE] = "delete",
    [OPERATION_IMPORT_IMAGE] = "import-image",
    [OPERATION_DELETE_IMAGE] = "delete-image",
    [OPERATION_COLLECT_IMAGES] = "collect-images",
};

static const char *const states[OPERATION_STATE_MAX] = {
    [OPERATION_PENDING] = "pending", [OPERATION_RUNNING] = "running",     [OPERATION_DONE] = "done",
    [OPERATION_FAILED] = "failed",   [OPERATION_CANCELLED] = "cancelled",
};

static const char *const units[] = {"", "bytes", "pages", "steps"};

static int lookup(const char *const *table, int n, const char *s) {
    for (int i = 0; i < n; i++)
        if (strcmp(table[i], s) == 0)
            return i;
    return -EINVAL;
}

const char *operation_kind_to_string(enum operation_kind k) {
    return k < OPERATION_KIND_MAX ? kinds[k] : NULL;
}

int operation_kind_from_string(const char *s) {
    return lookup(kinds, OPERATION_KIND_MAX, s);
}

const char *operation_state_to_string(enum operation_state s) {
    return s < OPERATION_STATE_MAX ? states[s] : NULL;
}

int operation_state_from_string(const char *s) {
    return lookup(states, OPERATION_STATE_MAX, s);
}

int operation_path(const struct operation *op, char **ret) {
    return sd_bus_path_encode(BUS_OPERATION_PREFIX, op->id, ret);
}

static void operation_free(struct operation *op) {
    if (!op)
        return;
    free(op->machine);
    free(op->who);
    free(op->error);
    free(op->message);
    json_object_put(op->result);
    free(op);
}
CVM_DEFINE_CLEANUP(struct operation *, operation_free)

void operations_free(struct manager *m) {
    for (size_t i = 0; i < m->nr_operations; i++)
        operation_free(m->operations[i]);
    free(m->operations);
    m->operations = NULL;
    m->nr_operations = 0;
}

/* Ids ascend, so the newest is the last. */
static int insert(struct manager *m, struct operation *op) {
    struct operation **p = reallocarray(m->operations, m->nr_operations + 1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    m->operations = p;
    p[m->nr_operations++] = op;
    return 0;
}

static void forget(struct manager *m, size_t i) {
    struct operation *op = m->operations[i];

    bus_operation_removed(op);
    memmove(m->operations + i, m->operations + i + 1, (m->nr_operations - i - 1) * sizeof(*m->operations));
    m->nr_operations--;
    operation_free(op);
}

struct operation *manager_find_operation(struct manager *m, const char *id) {
    size_t lo = 0, hi = m->nr_operations;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strcmp(m->operations[mid]->id, id);

        if (c == 0)
            return m->operations[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

struct operation *manager_machine_operation(struct manager *m, const char *machine,
                                            enum operation_kind kind) {
    for (size_t i = m->nr_operations; i > 0; i--) {
        struct operation *op = m->operations[i - 1];

        if (operation_is_active(op) && op->machine && strcmp(op->machine, machine) == 0 &&
            (kind == OPERATION_KIND_MAX || op->kind == kind))
            return op;
    }
    return NULL;
}

static int save(struct operation *op) {
    struct store_operation row = {
        .id = op->id,
        .kind = operation_kind_to_string(op->kind),
        .state = operation_state_to_string(op->state),
        .machine = op->machine,
        .done = op->done,
        .total = op->total,
        .unit = op->unit,
        .error = op->error,
        .message = op->message,
        .result = op->result ? json_object_to_json_string_ext(op->result, JSON_C_TO_STRING_PLAIN) : NULL,
        .who = op->who,
        .created = op->created,
        .started = op->started,
        .ended = op->ended,
    };
    int r = store_put_operation(op->manager->store, &row);

    op->dirty = r < 0;
    op->saving = r >= 0 && op->manager->changing;
    return r;
}

/* An end that cannot be written now is written later (operations_tidy()): a restart before that would call
 * the operation interrupted. */
static void save_later(struct operation *op) {
    int r = save(op);

    if (r < 0)
        log_error("Operation %s cannot be written to the store: %s", op->id, strerror(-r));
}

static int new_id(struct manager *m, char out[UUID_STRING_MAX]) {
    uint8_t last[16] = {0}, random[10], uuid[16];

    if (m->nr_operations && uuid_from_string(m->operations[m->nr_operations - 1]->id, last) < 0)
        return -EBADMSG;
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return -EIO;
    uuid7_make(now_usec(CLOCK_REALTIME) / 1000, last, random, uuid);
    uuid_to_string(uuid, out);
    return 0;
}

int operation_new(struct manager *m, enum operation_kind kind, const char *machine, const char *who,
                  struct operation **ret, sd_bus_error *error) {
    _cleanup_(operation_freep) struct operation *op = calloc(1, sizeof(*op));
    int r;

    if (!op)
        return sd_bus_error_set_errno(error, -ENOMEM);
    op->manager = m;
    op->kind = kind;
    op->unit = "";
    op->held = true;
    op->created = now_usec(CLOCK_REALTIME);
    if (free_and_strdup(&op->machine, machine) < 0 || free_and_strdup(&op->who, who ?: "") < 0)
        return sd_bus_error_set_errno(error, -ENOMEM);
    r = new_id(m, op->id);
    if (r >= 0)
        r = save(op);
    if (r < 0) {
        sd_bus_error_setf(error, BUS_ERROR_STORE, "the store cannot be written, so nothing was begun: %s",
                          strerror(-r));
        return r;
    }
    r = insert(m, op);
    if (r < 0) {
        (void)store_delete_operation(m->store, op->id);
        return sd_bus_error_set_errno(error, r);
    }
    *ret = TAKE_PTR(op);
    bus_operation_added(*ret);
    return 0;
}

void operation_begin(struct operation *op) {
    if (!op || op->state != OPERATION_PENDING)
        return;
    op->state = OPERATION_RUNNING;
    op->started = now_usec(CLOCK_REALTIME);
    bus_operation_changed(op);
}

void operation_progress(struct operation *op, uint64_t done, uint64_t total, const char *unit) {
    uint64_t now = now_usec(CLOCK_MONOTONIC);

    if (!op || !operation_is_active(op))
        return;
    op->done = done;
    op->total = total;
    op->unit = unit;
    if (op->told && now - op->told < TELL_USEC && done < total)
        return;
    op->told = now;
    bus_operation_changed(op);
}

static void result(struct operation *op, const char *key, json_object *value) {
    if (!op->result)
        op->result = json_object_new_object();
    if (!op->result || !value || json_object_object_add(op->result, key, value) < 0) {
        json_object_put(value);
        log_error("Out of memory: a result of operation %s is lost", op->id);
    }
}

void operation_result_string(struct operation *op, const char *key, const char *value) {
    if (op)
        result(op, key, json_object_new_string(value));
}

void operation_result_u64(struct operation *op, const char *key, uint64_t value) {
    if (op)
        result(op, key, json_object_new_uint64(value));
}

static void finish(struct operation *op, enum operation_state state, const char *error, const char *message) {
    if (!op || !operation_is_active(op))
        return;
    if (free_and_strdup(&op->error, error) < 0 || free_and_strdup(&op->message, message) < 0)
        log_error("Out of memory: the message of operation %s is lost: %s", op->id, message);
    if (op->message)
        cvm_defang(op->message);
    op->state = state;
    op->ended = now_usec(CLOCK_REALTIME);
    if (!op->started)
        op->started = op->ended;
    if (state == OPERATION_DONE && op->total)
        op->done = op->total;
    op->cancel = NULL;
    save_later(op);
    bus_operation_changed(op);
}

void operation_done(struct operation *op) {
    finish(op, OPERATION_DONE, NULL, NULL);
}

void operation_fail(struct operation *op, const char *error, const char *message) {
    finish(op, OPERATION_FAILED, error, message);
}

const char *store_failure_text(int r, char text[static STORE_FAILURE_TEXT_MAX]) {
    snprintf(text, STORE_FAILURE_TEXT_MAX, "the store cannot be written: %s", strerror(-r));
    return text;
}

void operation_fail_store(struct operation *op, int r) {
    char text[STORE_FAILURE_TEXT_MAX];

    operation_fail(op, BUS_ERROR_STORE, store_failure_text(r, text));
}

void operation_cancelled(struct operation *op) {
    finish(op, OPERATION_CANCELLED, BUS_ERROR_CANCELLED, "cancelled by request");
}

void operation_undone(struct operation *op) {
    if (!op)
        return;
    op->state = OPERATION_RUNNING;
    op->ended = 0;
}

void operation_forget(struct operation *op) {
    if (!op)
        return;
    (void)store_delete_operation(op->manager->store, op->id);
    for (size_t i = op->manager->nr_operations; i > 0; i--)
        if (op->manager->operations[i - 1] == op) {
            forget(op->manager, i - 1);
            return;
        }
}

int operation_cancel(struct operation *op, const char *who, sd_bus_error *error) {
    if (!operation_is_active(op)) {
        sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "the operation has ended already (%s)",
                          operation_state_to_string(op->state));
        return -EALREADY;
    }
    if (!op->cancel) {
        sd_bus_error_setf(error, BUS_ERROR_NOT_CANCELLABLE, "a %s that is under way cannot be taken back",
                          operation_kind_to_string(op->kind));
        return -EOPNOTSUPP;
    }
    audit(op->manager, op->machine ? manager_find(op->manager, op->machine) : NULL, "cancel", who,
          "cancel of operation %s (%s)", op->id, operation_kind_to_string(op->kind));
    op->cancel(op, op->cancel_data);
    return 0;
}

static int load(void *userdata, const struct store_operation *row) {
    _cleanup_(operation_freep) struct operation *op = calloc(1, sizeof(*op));
    int kind = operation_kind_from_string(row->kind), state = operation_state_from_string(row->state);
    int unit = lookup(units, ELEMENTSOF(units), row->unit), r;
    struct manager *m = userdata;
    uint8_t uuid[16];

    if (!op)
        return -ENOMEM;
    if (kind < 0 || state < 0 || unit < 0 || uuid_from_string(row->id, uuid) < 0) {
        log_error("Operation '%s' in the store is damaged and left out", row->id);
        return 0;
    }
    memcpy(op->id, row->id, sizeof(op->id));
    op->manager = m;
    op->kind = (enum operation_kind)kind;
    op->state = (enum operation_state)state;
    op->done = row->done;
    op->total = row->total;
    op->unit = units[unit];
    op->created = row->created;
    op->started = row->started;
    op->ended = row->ended;
    if (row->result)
        op->result = json_tokener_parse(row->result);
    if (free_and_strdup(&op->machine, row->machine) < 0 || free_and_strdup(&op->who, row->who) < 0 ||
        free_and_strdup(&op->error, row->error) < 0 || free_and_strdup(&op->message, row->message) < 0)
        return -ENOMEM;
    r = insert(m, op);
    if (r < 0)
        return r;
    op = NULL;
    return 0;
}

int operations_load(struct manager *m) {
    return store_each_operation(m->store, load, m);
}

void operations_settle(struct manager *m) {
    for (size_t i = 0; i < m->nr_operations; i++) {
        struct operation *op = m->operations[i];
        struct machine *k = op->machine ? manager_find(m, op->machine) : NULL;

        if (!operation_is_active(op) || op->held)
            continue;
        /* The record of a machine comes first, the end of its operation next. */
        if (op->kind == OPERATION_DEFINE && k) {
            operation_done(op);
            continue;
        }
        if (op->kind == OPERATION_SET && k)
            k->retune = true;
        audit(m, k, "operation-interrupted", op->who, "operation %s (%s) was interrupted by a restart of cvmd", op->id,
              operation_kind_to_string(op->kind));
        operation_fail(op, BUS_ERROR_INTERRUPTED, "cvmd was restarted before this was done: ask again");
    }
}

void operations_tidy(struct manager *m) {
    uint64_t now = now_usec(CLOCK_REALTIME), keep = m->config->operation_keep * 1000000ull;
    size_t excess = m->nr_operations > OPERATIONS_MAX ? m->nr_operations - OPERATIONS_MAX : 0;

    for (size_t i = 0; i < m->nr_operations;) {
        struct operation *op = m->operations[i];
        /* A clock that was set back makes an end lie in the future: kept until the clock has passed it. */
        bool old = !operation_is_active(op) && op->ended <= now && now - op->ended > keep;

        if (op->dirty)
            save_later(op);
        if (operation_is_active(op) || (!old && !excess) || store_delete_operation(m->store, op->id) < 0) {
            i++;
            continue;
        }
        if (excess)
            excess--;
        forget(m, i);
    }
}
